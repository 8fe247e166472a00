//go:build !upstream

package pace

// Substituted is true if the engine is built with its families' substitutions.
const Substituted = true
