//go:build !weakened

package sandbox

// weakened leaves a machine's abilities as they are. Tests are built with a tag
// that takes protections out, to see that each of them is needed.
func weakened(a Ability) Ability { return a }

// without says whether a protection is taken out: never.
func without(string) bool { return false }
