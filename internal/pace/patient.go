//go:build patient || upstream

package pace

// Lively is false: see the other files.
const Lively = false
