package outside

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"seatrial.dev/seatrial/internal/egress"
)

// tunnel connects the controller with a source over TLS that ends there: the controller itself
// holds the source against the certificates that the repo gives.
func (s *Server) tunnel(w http.ResponseWriter, r *http.Request) {
	address := r.Header.Get(egress.HeaderURL)
	conn, err := s.dial(r.Context(), address)
	if err != nil {
		refuse(w, err)
		return
	}
	defer conn.Close()
	w.Header().Set(egress.HeaderOrigin, string(egress.Tunnel))
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w).Flush
	if flush() != nil {
		return
	}
	go func() {
		_, _ = io.Copy(conn, r.Body) // ends with either side
		_ = conn.Close()
	}()
	b := make([]byte, 32<<10)
	for {
		n, err := conn.Read(b)
		if n > 0 {
			if _, err := w.Write(b[:n]); err != nil || flush() != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// dial opens a connection to a host that the repo names, through the user's proxy if there is one.
func (s *Server) dial(ctx context.Context, address string) (net.Conn, error) {
	if s.Mode != egress.Live && s.Mode != egress.Auto {
		return nil, fmt.Errorf("it is reached by itself only, and not with --sources %s", s.Mode)
	}
	u := &url.URL{Scheme: "https", Host: address}
	if err := permit(ctx, u, true); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, firstPatience)
	defer cancel()
	dial := dialer(true)
	proxy, err := proxies().ProxyFunc()(u)
	if err != nil {
		return nil, err
	}
	if proxy == nil {
		return dial(ctx, "tcp", address)
	}
	conn, err := dial(ctx, "tcp", withPort(proxy))
	if err != nil {
		return nil, fmt.Errorf("the proxy does not answer: %w", err)
	}
	if proxy.Scheme == "https" {
		conn = tls.Client(conn, &tls.Config{ServerName: proxy.Hostname()})
	}
	if err := through(conn, proxy, address); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// through has a proxy connect to an address.
func through(conn net.Conn, proxy *url.URL, address string) error {
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		request.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	if err := request.Write(conn); err != nil {
		return err
	}
	// Nothing follows the answer before the controller speaks, so the reader holds nothing back.
	r, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return fmt.Errorf("the proxy: %w", err)
	}
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy does not connect to %s: %s", address, r.Status)
	}
	return conn.SetDeadline(time.Time{})
}
