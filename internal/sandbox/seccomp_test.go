package sandbox

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// decider makes a machine that runs the filter of an architecture.
func decider(t *testing.T, arch uint32, ask bool) *bpf.VM {
	t.Helper()
	raw, err := filter(arch, ask)
	if err != nil {
		t.Fatal(err)
	}
	program, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("the filter can't be read")
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// decide runs a filter on a system call without arguments. The interpreter reads big-endian.
func decide(t *testing.T, arch uint32, ask bool, call uint32) uint32 {
	t.Helper()
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[offsetCall:], call)
	binary.BigEndian.PutUint32(data[offsetArch:], arch)
	verdict, err := decider(t, arch, ask).Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(verdict)
}

// With a listener, connects are reported to it; all other calls are decided as without.
func TestFilterAsks(t *testing.T) {
	const refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.EACCES)
	for _, arch := range []uint32{unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_AARCH64} {
		for _, c := range []struct {
			ask        bool
			call, want uint32
		}{
			{false, unix.SYS_CONNECT, unix.SECCOMP_RET_ALLOW}, {true, unix.SYS_CONNECT, unix.SECCOMP_RET_USER_NOTIF},
			{true, unix.SYS_READ, unix.SECCOMP_RET_ALLOW}, {true, unix.SYS_PTRACE, refuse}, {true, unix.SYS_SOCKET, refuse}, // of no family
			{true, unix.SYS_CLONE3, unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)}, // has programs try clone instead
		} {
			if got := decide(t, arch, c.ask, c.call); got != c.want {
				t.Errorf("machine %#x, ask %v, call %d: got %#x, want %#x", arch, c.ask, c.call, got, c.want)
			}
		}
	}
	// Each of refusedCalls is refused, with and without a listener.
	for _, call := range refusedCalls {
		for _, ask := range []bool{false, true} {
			if got := decide(t, unix.AUDIT_ARCH_X86_64, ask, call); got != refuse {
				t.Errorf("call %d: got %#x, want %#x", call, got, refuse)
			}
		}
	}
	// Only amd64 has a second set of numbers in this range.
	if got := decide(t, unix.AUDIT_ARCH_AARCH64, false, 0x40000000); got != unix.SECCOMP_RET_ALLOW {
		t.Errorf("arm64: got %#x", got)
	}
}
