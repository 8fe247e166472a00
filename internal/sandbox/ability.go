package sandbox

import (
	"fmt"
	"io"
	"os"
	"runtime"
)

// Ability says by which means a machine can confine programs.
type Ability struct {
	Namespaces error // why there are none; nil if there are
	Landlock   int   // version; 0 if none
}

// Examine finds out by which means this machine can confine programs.
func Examine() Ability { return Ability{Namespaces: Probe(), Landlock: LandlockVersion()} }

// Confines returns nil if these means are enough, or an error that says what is missing.
func (a Ability) Confines() error {
	switch {
	case a.Namespaces == nil:
		return nil
	case auditArch[runtime.GOARCH] == 0:
		return unconfinable(fmt.Sprintf("it grants no private namespaces (%v), and the system calls of %s are not known", a.Namespaces, runtime.GOARCH))
	case a.Landlock >= landlockNetwork:
		return nil
	case a.Landlock == 0:
		return unconfinable(fmt.Sprintf("it grants no private namespaces (%v), and its kernel has no Landlock", a.Namespaces))
	}
	return unconfinable(fmt.Sprintf("it grants no private namespaces (%v), and its kernel's Landlock (version %d) can't confine the network: that takes version %d, Linux 6.7", a.Namespaces, a.Landlock, landlockNetwork))
}

// stderr is where the inner process tells what it does.
func (o Options) stderr() io.Writer {
	if o.Stderr != nil {
		return o.Stderr
	}
	return os.Stderr
}
