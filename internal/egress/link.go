package egress

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
)

// Link is the connection from the sandbox to the process outside, over which many requests go at
// once: HTTP/2, without TLS, as it never leaves the machine.
type Link struct{ conn *http.ClientConn }

// linkStreams is how many requests may be under way at once.
const linkStreams = 10000

func plainHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// NewLink makes the inner end of a link of a connection.
func NewLink(conn net.Conn) (*Link, error) {
	transport := &http.Transport{
		Protocols: plainHTTP2(), DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }, // once: NewClientConn asks for one connection
	}
	c, err := transport.NewClientConn(context.Background(), "http", "outside:80")
	if err != nil {
		return nil, fmt.Errorf("reach the process outside of the sandbox: %w", err)
	}
	return &Link{c}, nil
}

// RoundTrip implements http.RoundTripper.
func (l *Link) RoundTrip(r *http.Request) (*http.Response, error) { return l.conn.RoundTrip(r) }

// ServeLink serves the outer end of a link until the connection ends.
func ServeLink(conn net.Conn, h http.Handler) {
	server := &http.Server{Handler: h, ErrorLog: quiet, Protocols: plainHTTP2(), HTTP2: &http.HTTP2Config{MaxConcurrentStreams: linkStreams}}
	l := one(conn)
	server.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			_ = l.Close()
		}
	}
	_ = server.Serve(l) // ends with the connection
}

// oneListener is a listener whose only connection is there already.
type oneListener struct {
	conn   chan net.Conn
	addr   net.Addr
	closed chan struct{}
	once   sync.Once
}

func one(conn net.Conn) *oneListener {
	l := &oneListener{conn: make(chan net.Conn, 1), addr: conn.LocalAddr(), closed: make(chan struct{})}
	l.conn <- conn
	return l
}

// Accept implements net.Listener.
func (l *oneListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *oneListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *oneListener) Addr() net.Addr { return l.addr }
