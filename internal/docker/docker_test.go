package docker

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// pretend has a shell script stand in for the docker command.
func pretend(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/bash\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
}

// The docker command gets no key, and the endpoint that was named.
func TestEnvironment(t *testing.T) {
	t.Setenv("SOPS_AGE_KEY", "AGE-SECRET-KEY-1")
	t.Setenv("SOPS_AGE_KEY_FILE", "/keys")
	t.Setenv("DOCKER_HOST", "tcp://theirs")
	t.Setenv("DOCKER_CONTEXT", "far")
	for host, want := range map[string]string{"": "DOCKER_HOST=tcp://theirs", "ssh://ours": "DOCKER_HOST=ssh://ours"} {
		env := Client{Host: host}.Command(t.Context(), "ps").Env
		hosts := slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return !strings.HasPrefix(kv, "DOCKER_HOST=") })
		if !slices.Equal(hosts, []string{want}) {
			t.Errorf("%q: got %q, want %s", host, hosts, want)
		}
		if !slices.Contains(env, "DOCKER_CONTEXT=far") {
			t.Errorf("%q: the rest is not passed on", host)
		}
		if strings.Contains(strings.Join(env, "\n"), "SOPS_AGE_") {
			t.Errorf("%q: a key is passed on", host)
		}
	}
}

func TestOutput(t *testing.T) {
	pretend(t, `case $1 in
lines) printf 'a\n b\n\n' ;;
none) ;;
fails) echo half; echo "no such thing" >&2; exit 3 ;;
image) [ "$*" = "image inspect --format {{.Id}} there:1" ] ;;
esac`)
	c := Client{}
	if got, err := c.Output(t.Context(), "lines"); err != nil || got != "a\n b" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := c.Lines(t.Context(), "lines"); err != nil || !slices.Equal(got, []string{"a", " b"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := c.Lines(t.Context(), "none"); err != nil || got != nil { // not one empty line
		t.Errorf("got %q, %v", got, err)
	}
	const want = "docker fails: exit status 3: no such thing"
	if got, err := c.Output(t.Context(), "fails", "with", "args"); got != "" || err == nil || err.Error() != want {
		t.Errorf("got %q, %v, want %s", got, err, want)
	}
	if _, err := c.Lines(t.Context(), "fails"); err == nil {
		t.Error("no error")
	}
	if !c.HasImage(t.Context(), "there:1") || c.HasImage(t.Context(), "there:2") {
		t.Error("an image is not told from another")
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := c.Output(t.Context(), "lines"); err == nil || !strings.Contains(err.Error(), "docker is not on PATH") {
		t.Errorf("without the command: %v", err)
	}
}

// The command succeeds when the engine does not answer, and says so in what it prints.
func TestInfo(t *testing.T) {
	for script, want := range map[string]string{
		`echo '{"ServerVersion":"28.1","CgroupVersion":"2","MemTotal":8,"NCPU":4,"OSType":"linux"}'`: "",
		`echo '{"NCPU":0,"ServerErrors":["cannot connect","at all"]}'`:                               "docker does not answer: cannot connect; at all",
		`echo Cannot connect`: "docker info: invalid character",
		`echo no >&2; exit 1`: "docker info: exit status 1: no",
	} {
		pretend(t, script)
		got, err := Client{}.Info(t.Context())
		if want == "" && (err != nil || got != Info{"28.1", "2", 8, 4, "linux"}) {
			t.Errorf("got %+v, %v", got, err)
		}
		if want != "" && (err == nil || !strings.HasPrefix(err.Error(), want) || got != Info{}) {
			t.Errorf("%s: got %+v, %v, want %s", script, got, err, want)
		}
	}
}

// A tunnel carries both ways, several connections at once, and ends with the far end and its context.
func TestTunnel(t *testing.T) {
	pretend(t, `[ "$1 $2 $3" = "exec -i box" ] && shift 3 && exec "$@"`)
	far, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	go func() {
		for {
			conn, err := far.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				b := make([]byte, 5)
				if _, err := io.ReadFull(conn, b); err == nil {
					_, _ = conn.Write([]byte("got " + string(b)))
				}
			}()
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := (Client{}).Tunnel(ctx, "box", "no-port"); err == nil {
		t.Error("an address without a port: no error")
	}
	addr, err := Client{}.Tunnel(ctx, "box", far.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if host, _, _ := net.SplitHostPort(addr); host != "127.0.0.1" {
		t.Errorf("it listens on %s", addr)
	}
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		return conn
	}
	words := []string{"other", "first"}
	for i, conn := range []net.Conn{1: dial(), 0: dial()} { // the later one first: it need not wait
		word := words[i]
		if _, err := conn.Write([]byte(word)); err != nil {
			t.Fatal(err)
		}
		// To the end: the far end's close arrives.
		if got, err := io.ReadAll(conn); err != nil || string(got) != "got "+word {
			t.Errorf("got %q, %v", got, err)
		}
		conn.Close()
	}
	cancel()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("it still listens after its context's end")
		}
	}
}
