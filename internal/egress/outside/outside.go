// Package outside reaches the sources of a repo on behalf of a rehearsal's door (package egress). It runs in
// the process that a person has started, with that person's proxy, certificate authorities and
// credentials, and keeps what it fetches (package sources).
//
// What asks acts for a repo, which may be hostile. So an address is reached only if the repo names
// its host, or what was reached leads there (a redirect, a registry's token server, a chart that a
// repository's index lists); never if it is loopback, link-local or a cloud's metadata; and a private
// one only if the repo itself names the host.
package outside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/sources"
)

// Options are what answers come from.
type Options struct {
	Mode egress.Mode
	// Store keeps what is fetched, and answers from it.
	Store *sources.Store
	// Vendor is a store that answers before anything else; may be nil.
	Vendor *sources.Store
	// Credentials are the user's own.
	Credentials *Credentials
}

// Server is the outer end of a link.
type Server struct {
	Options
	named, led http.RoundTripper // for hosts that the repo names, and for those that they lead to

	mu    sync.Mutex
	hosts map[string]*host
	// leads are the hosts that something reached leads to, and whether that is on a private network itself.
	leads map[string]bool
	// private are the hosts that were reached at a private address.
	private map[string]bool
	// realms are the token servers that registries have named, and the registry of each.
	realms map[string][]string
	// tokens are those that were handed out, and who got them: see Store.Who.
	tokens map[string]string
	// yours are those of them for which the user's own credentials stand.
	yours  map[string]bool
	warned error // of keeping what was fetched
}

// New makes a server. It reads the environment for the user's proxy and certificate authorities.
func New(o Options) *Server {
	s := &Server{
		Options: o, hosts: map[string]*host{}, leads: map[string]bool{}, realms: map[string][]string{}, private: map[string]bool{}, tokens: map[string]string{}, yours: map[string]bool{},
	}
	s.named, s.led = newTransport(true), newTransport(false)
	return s
}

// host is what is known of a host that was asked.
type host struct {
	named    bool // the repo names it
	answered bool
	down     error // why it is not asked again
}

// query is a request to be answered.
type query struct {
	sources.Request
	url    *url.URL
	header http.Header // all of the request's
	named  bool        // the repo names the host
	token  bool        // a token is asked for
	// registries are those for which a token may be asked.
	registries []string
	signed     bool // the credential is a signature of the request
	yours      bool // only the user's own credentials will do, as is known
}

// reply is an answer.
type reply struct {
	status int
	header http.Header
	body   io.ReadCloser
	origin egress.Origin
	yours  bool
	// untried says that a credential of the repo's was not tried, and would decide.
	untried bool
	// instead is why the source itself did not answer.
	instead error
}

// maxAsked is how long the body of a request may be, in bytes: what a Git client wants and has.
const maxAsked = 8 << 20

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		s.tunnel(w, r)
		return
	}
	q, err := s.query(r)
	if err != nil {
		refuse(w, err)
		return
	}
	a, err := s.answer(r.Context(), q)
	if err != nil {
		refuse(w, err)
		return
	}
	defer a.body.Close()
	for name, values := range a.header {
		if !hopByHop[name] && !strings.HasPrefix(name, "Seatrial-") { // those are ours to say
			w.Header()[name] = values
		}
	}
	w.Header().Set(egress.HeaderOrigin, string(a.origin))
	if a.yours {
		w.Header().Set(egress.HeaderYours, "yes")
	}
	if a.instead != nil {
		w.Header().Set(egress.HeaderWhy, oneLine(a.instead))
	}
	if a.untried {
		w.Header().Set(egress.HeaderUntried, "yes")
	}
	w.WriteHeader(a.status)
	var out io.Writer = w
	l := &leads{found: func(u *url.URL) { s.lead(q.url, hostOf(u)) }}
	if isIndex(q.url) && a.status == http.StatusOK {
		out = io.MultiWriter(w, l)
	}
	if _, err := io.Copy(out, a.body); err != nil {
		panic(http.ErrAbortHandler) // the answer has begun: cut it short, which the client notices
	}
	l.look()
}

// hopByHop are headers that are about a connection.
var hopByHop = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true, "Proxy-Connection": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Alt-Svc": true, "Strict-Transport-Security": true,
}

// refuse says that there is no answer.
func refuse(w http.ResponseWriter, why error) {
	w.Header().Set(egress.HeaderOrigin, string(egress.Refused))
	w.Header().Set(egress.HeaderWhy, oneLine(why))
	w.WriteHeader(egress.RefusedStatus)
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// query reads what is asked.
func (s *Server) query(r *http.Request) (*query, error) {
	u, err := url.Parse(r.Header.Get(egress.HeaderURL))
	if err != nil {
		return nil, err
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("%s is not reached: only HTTP is", u.Scheme)
	}
	u.User, u.Fragment = nil, ""
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		return nil, fmt.Errorf("a %s is not passed on: sources are only read", r.Method)
	}
	q := &query{url: u, header: http.Header{}, named: r.Header.Get(egress.HeaderNamed) != ""}
	for name, values := range r.Header {
		if !hopByHop[name] && !strings.HasPrefix(name, "Seatrial-") {
			q.header[name] = values
		}
	}
	if isIndex(u) {
		q.header.Del("Accept-Encoding") // what it leads to is read as it passes by
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAsked+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxAsked {
		return nil, fmt.Errorf("the request is longer than %d bytes", maxAsked)
	}
	q.Request = sources.Request{Method: r.Method, URL: u.String(), Header: q.header, Body: body}
	h := s.host(hostOf(u))
	s.mu.Lock()
	defer s.mu.Unlock()
	h.named = h.named || q.named
	q.registries, q.token = s.realms[realm(u)]
	s.identify(q)
	return q, nil
}

// answer finds the first that can answer.
func (s *Server) answer(ctx context.Context, q *query) (*reply, error) {
	if s.Mode == egress.StandIn {
		return nil, errors.New("nothing but stand-ins is asked (--sources stand-in)")
	}
	if s.Vendor != nil {
		if a, err := s.kept(s.Vendor, q, egress.Vendor); a != nil || err != nil {
			return a, err
		}
	}
	if q.immutable() {
		a, err := s.kept(s.Store, q, egress.Cache)
		if a != nil && a.status == http.StatusOK || err != nil {
			return a, err
		}
		if a != nil { // it was not there, or not for who asked: ask again
			_ = a.body.Close()
		}
	}
	why := errors.New("it is not in the cache (--sources cached)")
	if s.Mode != egress.Cached {
		var a *reply
		if a, why = s.ask(ctx, q); why == nil {
			return a, nil
		}
		if s.Mode == egress.Live {
			return nil, why
		}
	}
	a, err := s.kept(s.Store, q, egress.Cache)
	if a == nil || err != nil {
		return nil, errors.Join(err, why)
	}
	if s.Mode == egress.Auto {
		if !a.lasts(q) {
			_ = a.body.Close()
			return nil, why
		}
		a.instead = why
	}
	return a, nil
}

// lasts says whether an answer of an earlier time stands for a source that can't be asked now. That an index, a
// chart, an image or a repository was not there then does not; that an image has no signature, or a bucket no .sourceignore, does.
func (a *reply) lasts(q *query) bool {
	switch a.status {
	case http.StatusOK:
		return true
	case http.StatusUnauthorized:
		return a.header.Get("Www-Authenticate") != ""
	}
	p := q.url.Path
	signature := strings.Contains(p, "/manifests/sha256-")
	return signature || !isIndex(q.url) && !strings.HasSuffix(p, ".tgz") && !(strings.HasPrefix(p, "/v2/") && strings.Contains(p, "/manifests/")) && !strings.HasSuffix(p, "/info/refs")
}

// immutable says whether the answer can't change: it is asked for by its digest.
func (q *query) immutable() bool {
	_, digest, found := strings.Cut(q.url.Path, "/blobs/sha256:") // of a manifest it matters whether it is still there
	return found && len(digest) == 64 && strings.HasPrefix(q.url.Path, "/v2/")
}

// kept answers from a store; nil if it has no answer.
func (s *Server) kept(store *sources.Store, q *query, origin egress.Origin) (*reply, error) {
	e, body, err := store.Find(q.Request)
	if e == nil || err != nil {
		return nil, err
	}
	a := &reply{status: e.Status, header: e.Header, body: http.NoBody, origin: origin, yours: e.Header.Get(egress.HeaderYours) != ""}
	// A signature can't be looked at here, and a vendor folder answers whoever asks.
	a.untried = e.Status == http.StatusOK && (q.signed || e.Private && origin == egress.Vendor)
	if body != nil {
		a.body = body
	}
	s.challenged(q, a.header)
	if q.token && e.Status == http.StatusOK {
		_ = a.body.Close()
		return s.grant(q.Who, a), nil
	}
	return a, nil
}

// patience is how long a host may take to begin an answer.
const (
	firstPatience = 3 * time.Second // the first time, where something else can answer
	patience      = 30 * time.Second
)

// ask asks the source itself.
func (s *Server) ask(ctx context.Context, q *query) (*reply, error) {
	h := s.host(hostOf(q.url))
	s.mu.Lock()
	down, wait := h.down, patience
	if !h.answered && s.Mode == egress.Auto {
		wait = firstPatience
	}
	s.mu.Unlock()
	if down != nil {
		return nil, down
	}
	a, err := s.fetch(ctx, q, wait)
	var unreachable *unreachable
	if err == nil && a.status >= http.StatusInternalServerError {
		_ = a.body.Close()
		err = fmt.Errorf("%s answered %d %s", q.url.Host, a.status, http.StatusText(a.status))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		h.answered = true
		return a, nil
	}
	if s.Mode == egress.Auto && !h.answered && ctx.Err() == nil && errors.As(err, &unreachable) {
		h.down = err // for this run: a rehearsal does not wait for it again and again
	}
	return nil, err
}

func (s *Server) host(name string) *host {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[name]
	if h == nil {
		h = &host{}
		s.hosts[name] = h
	}
	return h
}

// lead notes that a host which was reached leads to another one. From a private network, that may be private, too.
func (s *Server) lead(from *url.URL, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	source := hostOf(from)
	h := s.hosts[source]
	s.leads[to] = s.leads[to] || s.private[source] && h != nil && h.named
}

// hostOf is the host of a URL in lower case, with its port unless that is the usual one.
func hostOf(u *url.URL) string {
	port := u.Port()
	if port == "" || port == map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		return strings.ToLower(u.Hostname())
	}
	return strings.ToLower(net.JoinHostPort(u.Hostname(), port))
}

func isIndex(u *url.URL) bool { return strings.HasSuffix(u.Path, "/index.yaml") }
