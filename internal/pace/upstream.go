//go:build upstream

package pace

// Substituted is false: see the other files.
const Substituted = false
