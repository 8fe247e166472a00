//go:build !patient && !upstream

package pace

// Lively is true if a rehearsal begins with a seed, what waits is woken, and the controllers are
// given short intervals.
const Lively = true
