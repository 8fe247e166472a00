package outside

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"seatrial.dev/seatrial/internal/egress"
)

// unreachable is the error for a host that gave no answer at all.
type unreachable struct{ error }

// Unwrap lets errors.Is see the reason.
func (u *unreachable) Unwrap() error { return u.error }

// fetch asks the source itself, with what the controller has sent and, where that is not enough and
// it has sent no credential, with the user's own. What is fetched is kept.
func (s *Server) fetch(ctx context.Context, q *query, wait time.Duration) (*reply, error) {
	if q.yours {
		if a, err := s.asYou(ctx, q, wait, nil); a != nil || err != nil {
			return a, err
		}
	}
	old, oldBody, err := s.Store.Find(q.Request)
	if err != nil {
		return nil, err
	}
	defer func() {
		if oldBody != nil {
			_ = oldBody.Close()
		}
	}()
	header := q.header.Clone()
	revalidates := old != nil && old.Status == http.StatusOK && oldBody != nil && q.Method == http.MethodGet && header.Get("If-None-Match") == "" && header.Get("If-Modified-Since") == ""
	if revalidates {
		if tag := old.Header.Get("Etag"); tag != "" {
			header.Set("If-None-Match", tag)
		} else if at := old.Header.Get("Last-Modified"); at != "" {
			header.Set("If-Modified-Since", at)
		}
	}
	r, err := s.send(ctx, q, header, wait)
	if err != nil {
		return nil, err
	}
	if r.StatusCode == http.StatusNotModified && revalidates {
		_ = r.Body.Close()
		a := &reply{status: old.Status, header: old.Header, body: oldBody, origin: egress.Upstream}
		oldBody = nil
		return a, nil
	}
	s.challenged(q, r.Header)
	a := &reply{status: r.StatusCode, header: r.Header, body: r.Body, origin: egress.Upstream}
	if q.anonymous() && (a.status == http.StatusUnauthorized || a.status == http.StatusForbidden || a.status == http.StatusTooManyRequests) {
		if yours, err := s.asYou(ctx, q, wait, a); yours != nil || err != nil {
			_ = a.body.Close()
			return yours, err
		}
	}
	return s.granted(q, a)
}

// anonymous says whether a request has no credential of the repo's.
func (q *query) anonymous() bool { return q.Who == "" || q.Who == nobody }

// send sends a request, and follows where it is sent on to.
func (s *Server) send(ctx context.Context, q *query, header http.Header, wait time.Duration) (*http.Response, error) {
	u, method, body := q.url, q.Method, q.Body
	named := q.named
	for range 10 {
		transport, err := s.transport(ctx, u, named)
		if err != nil {
			return nil, err
		}
		r, err := within(ctx, wait, func(ctx context.Context) (*http.Response, error) {
			request, err := http.NewRequestWithContext(s.traced(ctx, u), method, u.String(), bytes.NewReader(body))
			if err != nil {
				return nil, err
			}
			if len(body) == 0 {
				request.Body, request.ContentLength = http.NoBody, 0
			}
			request.Header = header
			return transport.RoundTrip(request)
		})
		if err != nil {
			return nil, &unreachable{plainly(u, err)}
		}
		to, err := onward(u, r)
		if to == nil || err != nil {
			return r, err
		}
		_ = r.Body.Close()
		if r.StatusCode == http.StatusSeeOther {
			method, body = http.MethodGet, nil
		}
		if hostOf(to) != hostOf(u) {
			if len(body) > 0 {
				return nil, fmt.Errorf("%s sends on to %s, and what was sent is not for another host", u.Host, to.Host)
			}
			header = harmless(header)
			s.lead(u, hostOf(to))
			named = s.isNamed(hostOf(to))
		}
		u = to
	}
	return nil, errTooFar
}

// transport is what reaches an address, or why nothing does. Where something that was reached on a private network
// leads, that may be private as well.
func (s *Server) transport(ctx context.Context, u *url.URL, named bool) (http.RoundTripper, error) {
	s.mu.Lock()
	private, led := s.leads[hostOf(u)]
	s.mu.Unlock()
	if !named && !led {
		return nil, fmt.Errorf("%s is not reached: the repo does not name it", u.Host)
	}
	if err := permit(ctx, u, named || private); err != nil {
		return nil, err
	}
	if named || private {
		return s.named, nil
	}
	return s.led, nil
}

// traced notes whether a host is reached at a private address.
func (s *Server) traced(ctx context.Context, u *url.URL) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		if a, err := netip.ParseAddrPort(c.Conn.RemoteAddr().String()); err == nil && a.Addr().Unmap().IsPrivate() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.private[hostOf(u)] = true
		}
	}})
}

// harmless are the headers that a host which is sent on to gets: none that could hold a credential.
func harmless(header http.Header) http.Header {
	out := http.Header{}
	for _, name := range []string{"Accept", "Accept-Encoding", "User-Agent", "Git-Protocol", "Range", "If-None-Match", "If-Modified-Since"} {
		if v := header.Values(name); len(v) > 0 {
			out[name] = v
		}
	}
	return out
}

// onward is where an answer sends the client on to; nil if it is an answer.
func onward(from *url.URL, r *http.Response) (*url.URL, error) {
	switch r.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	where := r.Header.Get("Location")
	if where == "" {
		return nil, nil
	}
	to, err := from.Parse(where)
	switch {
	case err != nil:
		err = fmt.Errorf("%s sends on to an address that is none", from.Host) // which may hold a signature
	case to.Scheme != "https" && (to.Scheme != "http" || from.Scheme == "https"):
		err = fmt.Errorf("%s sends on to %s://%s, which is not followed", from.Host, to.Scheme, to.Host)
	}
	if err != nil {
		return nil, errors.Join(err, r.Body.Close())
	}
	to.User = nil
	return to, nil
}

// within ends a request whose answer does not begin in time.
func within(ctx context.Context, wait time.Duration, do func(context.Context) (*http.Response, error)) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(wait, func() { cancel(fmt.Errorf("it did not answer within %s", wait)) })
	r, err := do(ctx)
	if !timer.Stop() { // it has ended the request, whatever came of it
		if err == nil {
			_ = r.Body.Close()
		}
		return nil, context.Cause(ctx)
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	r.Body = &ending{r.Body, cancel}
	return r, nil
}

// ending is a body with which its context ends.
type ending struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (e *ending) Close() error {
	err := e.ReadCloser.Close()
	e.cancel(nil)
	return err
}

// plainly says which host could not be reached, without the request's own address twice.
func plainly(u *url.URL, err error) error {
	if !strings.Contains(err.Error(), u.Hostname()) {
		return fmt.Errorf("%s: %w", u.Host, err)
	}
	return err
}

// isNamed says whether a host was asked for as one that the repo names.
func (s *Server) isNamed(name string) bool {
	h := s.host(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	return h.named
}
