package sandbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	Shim() // Probe starts this program again
	os.Exit(m.Run())
}

// Either namespaces or a Landlock version that restricts ports is enough to confine programs.
func TestConfines(t *testing.T) {
	refused := errors.New("refused")
	for _, c := range []struct {
		able Ability
		want string // part of the error; empty: no error
	}{
		{Ability{nil, 0}, ""}, {Ability{nil, 7}, ""}, {Ability{refused, landlockNetwork}, ""},
		{Ability{refused, 0}, "no Landlock"}, {Ability{refused, landlockNetwork - 1}, "can't confine the network"},
	} {
		err := c.able.Confines()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: got %v", c.able, err)
		}
	}
}

func TestParcels(t *testing.T) {
	var pipe bytes.Buffer
	sent := []Parcel{{Kind: "report", Data: []byte("{}\n{}")}, {Kind: "log", Name: "a.log", Data: bytes.Repeat([]byte("x"), 1<<20)}, {Kind: "log", Name: "empty"}}
	for _, p := range sent {
		if err := send(&pipe, p); err != nil {
			t.Fatal(err)
		}
	}
	whole := pipe.Bytes()
	var got []Parcel
	take := func(p Parcel) error { got = append(got, p); return nil }
	if err := receive(bytes.NewReader(whole), take); err != nil || len(got) != 3 || got[1].Name != "a.log" || len(got[1].Data) != 1<<20 {
		t.Errorf("got %d parcels, %v", len(got), err)
	}
	for _, cut := range []int{5, 60, len(whole) - 3} {
		if err := receive(bytes.NewReader(whole[:cut]), take); err == nil {
			t.Errorf("cut off at %d: no error", cut)
		}
	}
	if err := receive(strings.NewReader("{\"kind\":\"x\",\"size\":99999999999}\n"), take); err == nil {
		t.Error("a size beyond all is believed")
	}
	// After an error of take, receive reads on and returns the error at the end.
	n := 0
	err := receive(bytes.NewReader(whole), func(Parcel) error { n++; return errors.New("full") })
	if err == nil || n != 3 {
		t.Errorf("%d taken, %v", n, err)
	}
}

// The filter's decisions, by the interpreter of golang.org/x/net/bpf, which reads big-endian.
func TestSystemCallFilter(t *testing.T) {
	vm := decider(t, unix.AUDIT_ARCH_X86_64, false)
	const socket, mptcp = 41, 262 // on amd64
	for _, c := range []struct {
		arch, call, family, kind, protocol uint32
		allowed                            bool
	}{
		{unix.AUDIT_ARCH_X86_64, 0, 0, 0, 0, true}, // read
		{unix.AUDIT_ARCH_X86_64, socket, unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK, 0, true},
		{unix.AUDIT_ARCH_X86_64, socket, unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_TCP, true},
		{unix.AUDIT_ARCH_X86_64, socket, unix.AF_UNIX, unix.SOCK_DGRAM, 0, true},
		{unix.AUDIT_ARCH_X86_64, socket, unix.AF_NETLINK, unix.SOCK_RAW, 0, true},
		{unix.AUDIT_ARCH_X86_64, socket, unix.AF_INET, unix.SOCK_DGRAM, 0, false},
		{unix.AUDIT_ARCH_X86_64, socket, unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_UDP, false},
		{unix.AUDIT_ARCH_X86_64, socket, unix.AF_INET, unix.SOCK_STREAM, mptcp, false},
		{unix.AUDIT_ARCH_X86_64, socket, unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_TCP, false},
		{unix.AUDIT_ARCH_X86_64, socket, unix.AF_VSOCK, unix.SOCK_STREAM, 0, false},
		{unix.AUDIT_ARCH_X86_64, socket, unix.AF_PACKET, unix.SOCK_RAW, 0, false},
		{unix.AUDIT_ARCH_X86_64, unix.SYS_PTRACE, 0, 0, 0, false},
		{unix.AUDIT_ARCH_X86_64, unix.SYS_UNSHARE, 0, 0, 0, false},
		{unix.AUDIT_ARCH_X86_64, unix.SYS_CLONE, unix.CLONE_VM | unix.CLONE_THREAD, 0, 0, true},
		{unix.AUDIT_ARCH_X86_64, unix.SYS_CLONE, unix.CLONE_NEWUSER | unix.CLONE_NEWNET, 0, 0, false},
		{unix.AUDIT_ARCH_X86_64, unix.SYS_CLONE3, 0, 0, 0, false},
		{unix.AUDIT_ARCH_X86_64, unix.SYS_MEMFD_CREATE, 0, 0, 0, false},
		{unix.AUDIT_ARCH_X86_64, unix.SYS_IO_URING_SETUP, 0, 0, 0, false},
		{unix.AUDIT_ARCH_X86_64, 0x40000000 + socket, unix.AF_INET, unix.SOCK_DGRAM, 0, false}, // x32
		{unix.AUDIT_ARCH_I386, 0, 0, 0, 0, false},
	} {
		data := make([]byte, 64)
		for offset, v := range map[int]uint32{offsetCall: c.call, offsetArch: c.arch, offsetArgs: c.family, offsetArgs + 8: c.kind, offsetArgs + 16: c.protocol} {
			binary.BigEndian.PutUint32(data[offset:], v)
		}
		verdict, err := vm.Run(data)
		if err != nil || (uint32(verdict) == unix.SECCOMP_RET_ALLOW) != c.allowed {
			t.Errorf("%+v: got %#x, %v", c, verdict, err)
		}
	}
}

func TestLimitsOfMachines(t *testing.T) {
	const gib = 1 << 30
	for memory, want := range map[int64]int64{1 * gib: gib * 3 / 2, 4 * gib: 3 * gib, 64 * gib: 8 * gib} {
		l := limitsOf(memory)
		if l.Memory != want || l.State > l.Memory/2 || l.State > 2*gib {
			t.Errorf("%d GiB: got %+v", memory/gib, l)
		}
	}
}

func TestMemoryOfProcesses(t *testing.T) {
	page := int64(os.Getpagesize())
	proc := fstest.MapFS{
		"11/stat": {Data: []byte("11 (a) b) S 1 11 11 0 -1")}, "11/statm": {Data: []byte("1000 500 100 1 0 1 0\n")},
		"12/stat": {Data: []byte("12 (tool) S 11 11 11 0 -1")}, "12/statm": {Data: []byte("1000 50 0 1 0 1 0\n")},
		"13/stat": {Data: []byte("13 (other) S 1 13 13 0 -1")}, "13/statm": {Data: []byte("1 9000 0 1 0 1 0\n")},
		"self/stat": {Data: []byte("x")}, "14/stat": {Data: []byte("garbage")},
	}
	got := processes(proc, false, []int{11})
	if len(got) != 2 || got[0].name != "a) b" || got[0].bytes != 400*page || got[1].bytes != 50*page {
		t.Errorf("got %+v", got)
	}
	if got := processes(proc, false, nil); len(got) != 0 {
		t.Errorf("of nobody's processes: %+v", got)
	}
	if got := processes(proc, true, nil); len(got) != 3 {
		t.Errorf("got %+v", got)
	}
}

// box returns a sandbox of this process itself: programs are confined as without namespaces.
func box(t *testing.T) *Sandbox {
	t.Helper()
	if LandlockVersion() < landlockNetwork {
		t.Skip("this kernel's Landlock can't confine the network")
	}
	return &Sandbox{Mode: Mode{Landlock: LandlockVersion(), Limits: machineLimits(1)}, Dir: t.TempDir()}
}

// run runs a shell script in a cell and returns what it prints.
func run(t *testing.T, s *Sandbox, c Cell, script string) string {
	t.Helper()
	c.Git = true // git's files include a shell
	var out bytes.Buffer
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{"PATH=/usr/bin:/bin"}, &out, &out
	if err := s.Run(cmd, c); err != nil {
		out.WriteString(err.Error())
	}
	return out.String()
}

// A program can read, write, execute and reach what its cell lists, and nothing else.
func TestCell(t *testing.T) {
	s, open, shut := box(t), t.TempDir(), t.TempDir()
	for _, dir := range []string{open, shut} {
		if err := os.WriteFile(filepath.Join(dir, "file"), []byte("content of "+dir), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "program"), []byte("#!/bin/sh\necho ran\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := Cell{Write: []string{open}}
	for script, want := range map[string]bool{
		"cat " + open + "/file": true, "cat " + shut + "/file": false, "cat /etc/shadow": false, "cat /proc/1/environ": false, "cat /root/.bashrc": false,
		"echo x > " + open + "/new && echo content of": true, "echo x > " + shut + "/new && echo content of": false,
		": > " + open + "/old && rm " + open + "/old && echo content of": true, "rm -r " + shut + " && echo content of": false,
		open + "/program && echo content of": false, "kill -0 " + fmt.Sprint(os.Getpid()) + " && echo content of": false,
	} {
		if got := run(t, s, c, script); strings.Contains(got, "content of") != want {
			t.Errorf("%s: got %q", script, got)
		}
	}
	if _, err := os.Stat(filepath.Join(shut, "file")); err != nil {
		t.Error("a file outside of the cell is gone")
	}
}

func TestMayConnect(t *testing.T) {
	open := t.TempDir()
	outside := filepath.Join(t.TempDir(), "socket")
	for _, name := range []string{filepath.Join(open, "socket"), outside} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(open, "link")); err != nil {
		t.Fatal(err)
	}
	inet := func(addr string) []byte {
		a := netip.MustParseAddr(addr)
		if a.Is4() {
			return append(append(binary.NativeEndian.AppendUint16(nil, unix.AF_INET), 0, 80), a.AsSlice()...)
		}
		return append(append(binary.NativeEndian.AppendUint16(nil, unix.AF_INET6), 0, 80, 0, 0, 0, 0), append(a.AsSlice(), 0, 0, 0, 0)...)
	}
	socket := func(path string) []byte {
		return append(append(binary.NativeEndian.AppendUint16(nil, unix.AF_UNIX), path...), 0)
	}
	for name, c := range map[string]struct {
		address []byte
		want    bool
	}{
		"loopback": {inet("127.0.0.1"), true}, "loopback 6": {inet("::1"), true}, "mapped": {inet("::ffff:127.0.0.1"), true},
		"metadata": {inet("169.254.169.254"), false}, "anywhere": {inet("10.1.2.3"), false}, "any": {inet("0.0.0.0"), false}, "anywhere 6": {inet("2001:db8::1"), false}, "mapped elsewhere": {inet("::ffff:10.1.2.3"), false},
		"own socket": {socket(filepath.Join(open, "socket")), true}, "another's": {socket(outside), false}, "through a link": {socket(filepath.Join(open, "link")), false},
		"upwards": {socket(open + "/../../" + "x"), false}, "abstract": {socket("\x00canary"), false}, "relative": {socket("socket"), false},
		"short": {[]byte{2}, false}, "cut off": {inet("127.0.0.1")[:5], false}, "vsock": {binary.NativeEndian.AppendUint16(nil, unix.AF_VSOCK), false},
	} {
		if got := mayConnect(c.address, []string{open}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A program's memory can be read by either method.
func TestReadMemory(t *testing.T) {
	want := []byte("an address")
	got := make([]byte, len(want))
	if err := readMemory(os.Getpid(), int64(uintptr(unsafe.Pointer(&want[0]))), got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	n := notification{pid: uint32(os.Getpid())}
	n.args[1], n.args[2] = uint64(uintptr(unsafe.Pointer(&want[0]))), uint64(len(want))
	if b, err := addressOf(n); err != nil || !bytes.Equal(b, want) {
		t.Errorf("got %q, %v", b, err)
	}
}

// A program can connect to the ports of its cell only. This test starts itself as that program.
func TestCellConnects(t *testing.T) {
	if addr, ok := os.LookupEnv("SEATRIAL_TEST_CONNECT"); ok {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			fmt.Println("connected")
			conn.Close()
		}
		if _, err := net.Dial("udp", addr); err == nil {
			fmt.Println("has udp")
		}
		return
	}
	s := box(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, allowed := range []bool{true, false} {
		c := Cell{Execute: []string{exe}}
		if allowed {
			c.Connect = []int{l.Addr().(*net.TCPAddr).Port}
		}
		if loader := interpreter(exe); loader != "" { // the test is linked dynamically
			c.Git = true
		}
		var out bytes.Buffer
		cmd := exec.Command(exe, "-test.run=^TestCellConnects$")
		cmd.Env, cmd.Stdout, cmd.Stderr = []string{"SEATRIAL_TEST_CONNECT=" + l.Addr().String()}, &out, &out
		if err := s.Run(cmd, c); err != nil {
			t.Errorf("%v: %s", err, out.String())
		}
		if strings.Contains(out.String(), "connected") != allowed || strings.Contains(out.String(), "has udp") {
			t.Errorf("allowed %v: got %q", allowed, out.String())
		}
	}
}

// If a rehearsal takes too much memory, its largest program is killed and named.
func TestWatchEndsTheLargest(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = Own()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &Sandbox{Mode: Mode{Limits: Limits{Memory: 1}}, Dir: t.TempDir()}
	broken := make(chan error, 1)
	done := make(chan struct{})
	defer close(done)
	s.LimitMemory(done, func() []int { return []int{cmd.Process.Pid} }, func(err error) { broken <- err })
	if err := cmd.Wait(); err == nil {
		t.Error("the program ended by itself")
	}
	if err := <-broken; !strings.Contains(err.Error(), "sleep") || !strings.Contains(err.Error(), "memory") {
		t.Errorf("got %v", err)
	}
}

// Below the limit, no program is killed.
func TestWatchLeavesTheSmallAlone(t *testing.T) {
	s := &Sandbox{Mode: Mode{Limits: limitsOf(8 << 30)}, Dir: t.TempDir()}
	done := make(chan struct{})
	s.LimitMemory(done, func() []int { return []int{os.Getpid()} }, func(err error) { t.Error(err) })
	time.Sleep(3 * watchEvery)
	close(done)
}
