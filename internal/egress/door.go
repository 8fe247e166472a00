package egress

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Door is the HTTP proxy through which a rehearsal's controllers reach the outside.
type Door struct {
	Record
	ca   *authority
	link http.RoundTripper // to the process outside; nil: there is none

	mu sync.Mutex
	// own serve the repo itself, under each of its URLs.
	own []place
	// stoodIn serve stand-ins.
	stoodIn []place
	// maker makes stand-ins when they are asked for; nil: there is none.
	maker func(ctx context.Context, u *url.URL)
	// apart are the hosts that controllers hold against certificates of the repo's.
	apart map[string]bool
	names func(host string) bool
	// placeholders is true if credentials of the repo may be placeholders.
	placeholders bool
}

// place serves what is below a URL.
type place struct {
	at      location
	handler http.Handler
	// used is true if it has served something: then all of its source comes from here.
	used bool
}

// NewDoor makes a door. link leads outside; nil if nothing outside is ever asked.
func NewDoor(link http.RoundTripper) (*Door, error) {
	ca, err := newAuthority()
	if err != nil {
		return nil, fmt.Errorf("make the certificate authority of the run: %w", err)
	}
	return &Door{ca: ca, link: link, apart: map[string]bool{}, names: func(string) bool { return false }}, nil
}

// Certificate is the certificate of the authority that controllers have to trust, as PEM.
func (d *Door) Certificate() []byte { return d.ca.pem() }

// Names has the door ask f whether the repo names a host.
func (d *Door) Names(f func(host string) bool) { d.set(func() { d.names = f }) }

// OnDemand has f put stand-ins on the shelf for a request that nobody but a stand-in could answer.
func (d *Door) OnDemand(f func(ctx context.Context, u *url.URL)) { d.set(func() { d.maker = f }) }

// Apart has connections to a host end at the host itself where it can be reached: the repo gives
// the certificates that controllers trust there.
func (d *Door) Apart(host string) { d.set(func() { d.apart[strings.ToLower(host)] = true }) }

// Placeholders tells the door that credentials may be placeholders, as no key decrypts the repo's. A source
// that refuses them says nothing about the repo.
func (d *Door) Placeholders(are bool) { d.set(func() { d.placeholders = are }) }

func (d *Door) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// ServeHTTP implements http.Handler: it is the proxy.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		d.connect(w, r)
		return
	}
	if !r.URL.IsAbs() {
		http.Error(w, "this is a proxy", http.StatusBadRequest)
		return
	}
	d.answer(w, r)
}

// connect takes a connection over, as if it were the host that it is meant for.
func (d *Door) connect(w http.ResponseWriter, r *http.Request) {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if d.isApart(host) && d.tunnel(w, r) {
		return
	}
	certificate, err := d.ca.of(strings.ToLower(host))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		_ = conn.Close()
		return
	}
	authority := r.Host
	if port == "443" {
		authority = strings.TrimSuffix(authority, ":443") // an IPv6 address keeps its brackets
	}
	inside := tls.Server(buffered(conn, rw.Reader), &tls.Config{Certificates: []tls.Certificate{*certificate}, NextProtos: []string{"http/1.1"}})
	d.serve(inside, authority)
}

// isApart says whether connections to a host end there: not if it is where the repo itself is, which is always
// answered from the tree.
func (d *Door) isApart(host string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	host = strings.ToLower(host)
	return d.apart[host] && !slices.ContainsFunc(d.own, func(p place) bool {
		name, _, err := net.SplitHostPort(p.at.host)
		return p.at.host == host || err == nil && name == host
	})
}

// serve answers the requests of a connection that is meant for a host.
func (d *Door) serve(conn net.Conn, host string) {
	l := one(conn)
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.URL.Scheme, r.URL.Host = "https", host
			d.answer(w, r)
		}),
		ErrorLog: quiet,
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateClosed || s == http.StateHijacked {
				_ = l.Close()
			}
		},
	}
	_ = server.Serve(l) // ends with the connection
}

// tunnel connects the client with the host itself; false if that can't be reached, and the door
// may answer.
func (d *Door) tunnel(w http.ResponseWriter, r *http.Request) bool {
	host, _, _ := net.SplitHostPort(r.Host)
	if d.link == nil || !d.named(host) {
		return false
	}
	from, to := io.Pipe()
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodConnect, "http://outside", from)
	if err != nil {
		return false
	}
	request.Header.Set(HeaderURL, r.Host)
	request.Header.Set(HeaderNamed, "yes")
	answer, err := d.link.RoundTrip(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return false
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return true
	}
	d.add(Answer{Method: http.MethodConnect, URL: shown(&url.URL{Scheme: "https", Host: r.Host}), Origin: Tunnel})
	go func() {
		_, err := io.Copy(to, buffered(conn, rw.Reader))
		_ = to.CloseWithError(err)
	}()
	_, _ = io.Copy(conn, answer.Body) // ends with either side
	return true
}

// buffered is a connection of which some bytes have been read already.
func buffered(conn net.Conn, r *bufio.Reader) net.Conn {
	if r.Buffered() == 0 {
		return conn
	}
	return &readFirst{conn, r}
}

type readFirst struct {
	net.Conn
	r *bufio.Reader
}

func (c *readFirst) Read(p []byte) (int, error) { return c.r.Read(p) }

// digesting counts a body's digest as it passes by.
type digesting struct {
	http.ResponseWriter
	status int
	n      int64
	sum    interface {
		io.Writer
		Sum([]byte) []byte
	}
}

func watched(w http.ResponseWriter) *digesting {
	return &digesting{ResponseWriter: w, status: http.StatusOK, sum: sha256.New()}
}

func (w *digesting) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *digesting) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.sum.Write(p[:n])
	w.n += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController flush.
func (w *digesting) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *digesting) digest() string {
	if w.n == 0 {
		return ""
	}
	return "sha256:" + hex.EncodeToString(w.sum.Sum(nil))
}

var errNoLink = errors.New("nothing outside of the sandbox is asked")
