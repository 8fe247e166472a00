package hostile

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// trap records connections to services that must not be reached.
type trap struct {
	mu  sync.Mutex
	hit map[string]bool
	// asked says whether the redirector was.
	asked bool
}

func (t *trap) note(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hit[what] = true
}

func (t *trap) all() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for what := range t.hit {
		out = append(out, what)
	}
	slices.Sort(out)
	return out
}

const metadata = "169.254.169.254"

// setTraps starts services that no program may reach.
func setTraps() (*trap, error) {
	if err := addresses(); err != nil {
		return nil, err
	}
	t := &trap{hit: map[string]bool{}}
	if err := os.WriteFile("/etc/hosts", []byte("127.0.0.1 localhost loop.example\n"+redirector+" redirects.example\n"+metadata+" meta.example\n"), 0o644); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp4", redirector+":80")
	if err != nil {
		return nil, err
	}
	go func() { _ = http.Serve(l, http.HandlerFunc(t.redirect)) }()
	for _, addr := range []string{unnamed + ":8080", "127.0.0.1:80", "127.0.0.1:8080", "127.0.0.1:8443", "127.0.0.1:9418", "127.0.0.1:2375", "127.0.0.1:22", metadata + ":80", "127.0.0.53:53"} {
		l, err := net.Listen("tcp4", addr)
		if err != nil {
			return nil, err
		}
		go t.serve(l, addr)
	}
	for _, path := range []string{"/run/docker.sock", "/run/agent.sock", "@canary"} {
		l, err := net.Listen("unix", path)
		if err != nil {
			return nil, err
		}
		if path[0] == '/' {
			if err := os.Chmod(path, 0o777); err != nil {
				return nil, err
			}
		}
		go t.serve(l, path)
	}
	go t.follow()
	return t, nil
}

// redirector is a server of the world that sends on to where nothing may be reached, and unnamed a private address
// that the repo does not name.
const redirector, unnamed = "203.0.113.7", "10.66.0.1"

// redirect sends a request on to the place that its path begins with.
func (t *trap) redirect(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	t.asked = true
	t.mu.Unlock()
	where, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	to := map[string]string{"loopback": "http://127.0.0.1:8080/", "metadata": "http://" + metadata + "/latest", "private": "http://" + unnamed + ":8080/", "file": "file:///srv/canary/secret.yaml"}[where]
	http.Redirect(w, r, to, http.StatusTemporaryRedirect)
}

// follow listens at the metadata address on every port that the run uses, as an
// attacker's server could.
func (t *trap) follow() {
	known := map[int]bool{}
	for {
		time.Sleep(50 * time.Millisecond)
		b, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(b), "\n") {
			f := strings.Fields(line)
			if len(f) < 4 || f[3] != "0A" || !strings.HasPrefix(f[1], "0100007F:") {
				continue
			}
			var port int
			if _, err := fmt.Sscanf(f[1], "0100007F:%x", &port); err != nil || known[port] || port < 12000 || port > 32100 {
				continue
			}
			known[port] = true
			if l, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", metadata, port)); err == nil {
				go t.serve(l, attacker)
			}
		}
	}
}

// attacker is the name of a server outside of the run that listens on every port.
const attacker = "a port of the run's, elsewhere"

func (t *trap) serve(l net.Listener, name string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		t.note(name)
		go func() {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Second))
			_, _ = io.WriteString(c, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: "+fmt.Sprint(len(canary))+"\r\n\r\n"+canary)
		}()
	}
}

// addresses brings loopback up and adds a cloud's metadata address to it.
func addresses() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return err
	}
	for i, address := range []string{metadata, redirector, unnamed} {
		alias, err := unix.NewIfreq(fmt.Sprintf("lo:%d", i+1))
		if err != nil {
			return err
		}
		if err := alias.SetInet4Addr(net.ParseIP(address).To4()); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFADDR, alias); err != nil {
			return err
		}
	}
	return nil
}
