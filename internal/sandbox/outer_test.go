package sandbox

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The inner process inherits no key and, if it acts on behalf of a repo, little else.
func TestEnvironment(t *testing.T) {
	for name, value := range map[string]string{"SOPS_AGE_KEY": "k", "SOPS_AGE_KEY_FILE": "f", "SOPS_AGE_KEY_CMD": "c", "AWS_SECRET_ACCESS_KEY": "s", "KUBECONFIG": "k", "LD_PRELOAD_": "x", "NO_COLOR": "1", "PATHS": "x"} {
		t.Setenv(name, value)
	}
	for name, c := range map[string]struct {
		mode      Mode
		has, lack []string
	}{
		"a rehearsal":           {Mode{}, []string{"NO_COLOR", "PATH"}, []string{"SOPS_AGE_KEY", "AWS_SECRET_ACCESS_KEY", "KUBECONFIG", "LD_PRELOAD_", "PATHS"}},
		"with namespaces":       {Mode{Namespaces: true}, []string{"NO_COLOR", "PATH"}, []string{"SOPS_AGE_KEY", "AWS_SECRET_ACCESS_KEY", "KUBECONFIG"}},
		"on the host's network": {Mode{HostNetwork: true}, []string{"NO_COLOR", "KUBECONFIG"}, []string{"SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SOPS_AGE_KEY_CMD"}},
	} {
		var names []string
		for _, kv := range environment(c.mode) {
			n, _, _ := strings.Cut(kv, "=")
			names = append(names, n)
		}
		for _, n := range c.has {
			if !slices.Contains(names, n) {
				t.Errorf("%s: no %s", name, n)
			}
		}
		for _, n := range c.lack {
			if slices.Contains(names, n) {
				t.Errorf("%s: it has %s", name, n)
			}
		}
	}
}

// The inner process gets the namespaces of its mode, and dies with the outer one unless it may outlive it.
func TestAttributes(t *testing.T) {
	const always, network, user = unix.CLONE_NEWPID | unix.CLONE_NEWNS, unix.CLONE_NEWNET | unix.CLONE_NEWIPC, unix.CLONE_NEWUSER
	for _, c := range []struct {
		mode     Mode
		outlives bool
		flags    uintptr
		dies     syscall.Signal
	}{
		{Mode{}, false, 0, 0}, {Mode{UserNamespace: true}, true, 0, 0},
		{Mode{Namespaces: true}, false, always | network, syscall.SIGKILL}, {Mode{Namespaces: true}, true, always | network, 0},
		{Mode{Namespaces: true, HostNetwork: true}, false, always, syscall.SIGKILL},
		{Mode{Namespaces: true, UserNamespace: true}, false, always | network | user, syscall.SIGKILL},
	} {
		a := attributes(c.mode, c.outlives)
		if a.Cloneflags != c.flags || a.Pdeathsig != c.dies || !a.Setpgid {
			t.Errorf("%+v: got %#x, %v, %v", c.mode, a.Cloneflags, a.Pdeathsig, a.Setpgid)
		}
		if c.flags&user == 0 {
			if a.UidMappings != nil || a.AmbientCaps != nil {
				t.Errorf("%+v: got %v, %v", c.mode, a.UidMappings, a.AmbientCaps)
			}
			continue
		}
		// The only user of the namespace has an id that no machine uses, and is not root.
		want := []syscall.SysProcIDMap{{ContainerID: programID, HostID: os.Geteuid(), Size: 1}}
		if !slices.Equal(a.UidMappings, want) || len(a.GidMappings) != 1 || a.GidMappings[0].Size != 1 || len(a.AmbientCaps) == 0 {
			t.Errorf("%+v: got %v, %v, %v", c.mode, a.UidMappings, a.GidMappings, a.AmbientCaps)
		}
	}
}

func TestExitCode(t *testing.T) {
	for script, want := range map[string]struct {
		code int
		text string
	}{"exit 0": {0, ""}, "exit 1": {1, ""}, "exit 2": {2, ""}, "kill -9 $$": {2, `the sandbox was ended by signal "killed"`}} {
		code, err := exitCode(exec.Command("/bin/sh", "-c", script).Run())
		if text := errorText(err); code != want.code || text != want.text {
			t.Errorf("%s: got %d, %s, want %+v", script, code, text, want)
		}
	}
	if code, err := exitCode(errors.New("no child")); code != 2 || errorText(err) != "no child" {
		t.Errorf("got %d, %v", code, err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// The outer process gets the errors of earlier parcels along with the exit code.
func TestTake(t *testing.T) {
	type received struct {
		name, addr string
		pid        int
	}
	var got []received
	c := &inner{cmd: &exec.Cmd{Process: &os.Process{Pid: 7}}, addr: "127.0.0.1:1", stays: make(chan stay, 1)}
	if err := c.take(Parcel{Kind: "report"}); err == nil || !strings.Contains(err.Error(), "nobody takes a report") {
		t.Errorf("without a receiver: got %v", err)
	}
	full := errors.New("full")
	c.Receive = func(p Parcel, pid int, addr string) error {
		got = append(got, received{p.Name, addr, pid})
		if p.Name == "b" {
			return full
		}
		return nil
	}
	for name, want := range map[string]error{"a": nil, "b": full} {
		if err := c.take(Parcel{Kind: "log", Name: name}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	if len(got) != 2 || !slices.Contains(got, received{"a", "127.0.0.1:1", 7}) {
		t.Errorf("got %+v", got)
	}
	if err := c.take(Parcel{Kind: parcelStays, Data: []byte("3")}); err != nil {
		t.Errorf("got %v", err)
	}
	if s := <-c.stays; s.code != 3 || !errors.Is(s.err, full) {
		t.Errorf("got %+v", s)
	}
	c.failed = nil
	if err := c.take(Parcel{Kind: parcelStays, Data: []byte("x")}); err == nil {
		t.Error("a code that is no number is believed")
	}
	if s := <-c.stays; s.err == nil {
		t.Errorf("got %+v", s)
	}
	if len(got) != 2 {
		t.Error("the receiver got what is the sandbox's own")
	}
}
