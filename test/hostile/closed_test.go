package hostile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/egress/outside"
	"seatrial.dev/seatrial/internal/sandbox"
	"seatrial.dev/seatrial/internal/sources"
)

// Environment variables that say which part of the test this process plays.
const (
	closedEnv = "SEATRIAL_HOSTILE_CLOSED" // the outer process of a sandbox
	probeEnv  = "SEATRIAL_HOSTILE_PROBE"  // a program in a cell of it; the value is the door's port
)

// probed is what a program in a cell could reach.
type probed struct {
	Door    string   // what the door itself said to a request for a host of the world
	Reached []string // anything else
}

// From inside of the sandbox nothing but the door answers, and the door reaches nothing of the machine.
func TestNothingButTheDoorAnswers(t *testing.T) {
	prepare(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	exe = filepath.Join(made, "probe") // where everybody may run it
	if err := os.WriteFile(exe, b, 0o755); err != nil {
		t.Fatal(err)
	}
	var orders []order
	for _, way := range ways {
		if way.weakened == "" {
			orders = append(orders, order{Seatrial: exe, Prefix: way.prefix, UID: way.uid, Fill: "closed"})
		}
	}
	for i, got := range visitAll(t, orders) {
		var p probed
		if err := json.Unmarshal([]byte(got.Stdout), &p); err != nil {
			t.Errorf("%v: %v: %s%s", orders[i].Prefix, err, got.Stdout, got.Stderr)
			continue
		}
		if !got.Redirected {
			t.Errorf("%v, user %d: the door said %q", orders[i].Prefix, orders[i].UID, p.Door)
		}
		if len(p.Reached)+len(got.Reached) > 0 {
			t.Errorf("%v, user %d: reached %v, trapped %v", orders[i].Prefix, orders[i].UID, p.Reached, got.Reached)
		}
	}
}

// closedPart is what this process plays in the test; nil for none.
func closedPart() func() error {
	if port, ok := os.LookupEnv(probeEnv); ok {
		return func() error { return probe(port) }
	}
	if _, ok := os.LookupEnv("SEATRIAL_SANDBOX"); ok {
		return closedInside
	}
	if _, ok := os.LookupEnv(closedEnv); ok {
		return closed
	}
	return nil
}

// probing runs the outer process in a world.
func probing(o order) (*outcome, error) {
	var stdout, stderr bytes.Buffer
	args := append(slices.Clone(o.Prefix), o.Seatrial)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{closedEnv + "=1", "PATH=" + os.Getenv("PATH")}, &stdout, &stderr
	if o.UID != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(o.UID), Gid: uint32(o.UID)}}
	}
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return nil, err
	}
	return &outcome{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}, nil
}

// closed is the outer process: it starts a sandbox of this program, and reaches for it what may be reached.
func closed() error {
	dir, err := os.MkdirTemp("", "closed-")
	if err != nil {
		return err
	}
	store, err := sources.Open(dir)
	if err != nil {
		return err
	}
	reach := outside.New(outside.Options{Mode: egress.Live, Store: store})
	code, err := sandbox.Run(context.Background(), sandbox.Options{Serve: func(c net.Conn) { egress.ServeLink(c, reach) }, Abrupt: true})
	if err == nil && code != 0 {
		err = fmt.Errorf("exit %d", code)
	}
	return err
}

// closedInside is the inner process: it opens a door, and starts the probe in a cell as a controller has it.
func closedInside() error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	_, box, err := sandbox.Inside(context.Background(), nil, func() []string { return []string{exe} })
	if err != nil {
		return err
	}
	program := box.Dir + "/probe"
	b, err := os.ReadFile(exe)
	if err == nil {
		err = os.WriteFile(program, b, 0o755)
	}
	if err == nil {
		err = box.Enter(nil)
	}
	if err != nil {
		return err
	}
	if box.Roots() {
		program = box.Dir + "/probe"
	}
	link, err := egress.NewLink(box.Link())
	if err != nil {
		return err
	}
	door, err := egress.NewDoor(link)
	if err != nil {
		return err
	}
	door.Names(func(string) bool { return true })
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = (&http.Server{Handler: door, ReadHeaderTimeout: time.Minute}).Serve(l) }()
	port := l.Addr().(*net.TCPAddr).Port
	var out bytes.Buffer
	cmd := exec.Command(program)
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{fmt.Sprintf("%s=%d", probeEnv, port)}, &out, os.Stderr
	err = box.Run(cmd, sandbox.Cell{Git: true, Execute: []string{program}, Connect: []int{port}})
	_, _ = os.Stdout.Write(out.Bytes())
	return errors.Join(err, box.Close())
}

// probe tries whatever a program can think of.
func probe(port string) error {
	p := probed{Reached: []string{}}
	try := func(name string, err error) {
		if err == nil {
			p.Reached = append(p.Reached, name)
		}
	}
	for _, address := range []string{
		"127.0.0.1:80", "127.0.0.1:8080", "127.0.0.1:22", "127.0.0.1:2375", "[::1]:80", metadata + ":80", unnamed + ":8080", redirector + ":80", "127.0.0.53:53",
	} {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		try("tcp "+address, err)
		if err == nil {
			_ = conn.Close()
		}
	}
	for _, path := range []string{"/run/docker.sock", "/run/agent.sock", "@canary"} {
		_, err := net.DialTimeout("unix", path, time.Second)
		try("unix "+path, err)
	}
	for _, address := range []string{"127.0.0.53:53", metadata + ":53", redirector + ":53"} {
		try("dns at "+address, ask(address))
	}
	// With Landlock alone, the machine's /etc/hosts is seen, so the name is one that only a server could know.
	_, err := net.DefaultResolver.LookupHost(context.Background(), "somewhere.example")
	try("a name server", err)
	for name, kind := range map[string]int{"icmp, raw": unix.SOCK_RAW, "icmp": unix.SOCK_DGRAM} {
		fd, err := unix.Socket(unix.AF_INET, kind, unix.IPPROTO_ICMP)
		if err == nil {
			err = unix.Sendto(fd, []byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0}, 0, &unix.SockaddrInet4{Addr: [4]byte{203, 0, 113, 7}})
		}
		try(name, err)
	}
	proxy := &url.URL{Scheme: "http", Host: "127.0.0.1:" + port}
	client := &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	status := func(address string) string {
		r, err := client.Get(address)
		if err != nil {
			return err.Error()
		}
		defer r.Body.Close()
		return fmt.Sprint(r.StatusCode)
	}
	for _, address := range []string{"http://" + metadata + "/latest", "http://meta.example/", "http://loop.example:8080/", "http://127.1:8080/", "http://localhost:8080/", "http://0.0.0.0:8080/"} {
		if s := status(address); s != fmt.Sprint(egress.RefusedStatus) {
			p.Reached = append(p.Reached, address+" through the door: "+s)
		}
	}
	p.Door = status("http://redirects.example/nowhere")
	slices.Sort(p.Reached)
	return json.NewEncoder(os.Stdout).Encode(p)
}

// ask sends a question to a name server, and waits for an answer.
func ask(address string) error {
	conn, err := net.DialTimeout("udp", address, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte(strings.Repeat("\x00", 12))); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 10))
	return err
}
