package egress

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// quiet is a log that nobody reads: clients that go away are no news.
var quiet = log.New(io.Discard, "", 0)

// location is a URL, and all that is below it.
type location struct {
	host, path string
	oci        bool // of a registry: path is that of the repository
	git        bool // only what Git's protocol asks for
}

// locate is where a source's URL leads: https://, http://, or oci:// and host/repository, the latter
// without tag and digest.
func locate(source string) (location, bool) {
	rest, oci := strings.CutPrefix(source, "oci://")
	if oci {
		host, path, _ := strings.Cut(rest, "/")
		return location{host: canonical(host), path: strings.Trim(path, "/"), oci: true}, host != ""
	}
	u, err := url.Parse(source)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return location{}, false
	}
	return location{host: hostOf(u), path: strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git")}, true
}

// HostOf is the host of a URL in the form in which hosts are compared: with its port unless that is the usual one, and a
// registry that has several names by one of them.
func HostOf(u *url.URL) string { return hostOf(u) }

// CanonicalHost is the one name of a registry that has several.
func CanonicalHost(host string) string { return canonical(host) }

// hostOf is the host of a URL, with its port unless that is the usual one.
func hostOf(u *url.URL) string {
	host := canonical(u.Host)
	if name, port, err := net.SplitHostPort(host); err == nil && (port == "443" && u.Scheme == "https" || port == "80" && u.Scheme == "http") {
		return name
	}
	return host
}

// gitPath says whether a path below a repository's is one that Git's protocol over HTTP has.
func gitPath(path string) bool {
	return path == "/info/refs" || path == "/git-upload-pack" || path == "/HEAD" || strings.HasPrefix(path, "/objects/")
}

// canonical is the one name of a registry that has several.
func canonical(host string) string {
	host = strings.ToLower(host)
	if host == "index.docker.io" || host == "registry-1.docker.io" {
		return "docker.io"
	}
	return host
}

// below returns what follows a location in a URL.
func (l location) below(u *url.URL) (string, bool) {
	if hostOf(u) != l.host {
		return "", false
	}
	path := strings.TrimPrefix(u.Path, "/")
	if l.oci {
		if path == "v2" || path == "v2/" {
			return "", true
		}
		path, _ = strings.CutPrefix(path, "v2/")
	}
	rest, found := strings.CutPrefix(path, l.path)
	if l.path == "" {
		return "/" + rest, !l.git || gitPath("/"+rest)
	}
	if !l.oci {
		rest = strings.TrimPrefix(rest, ".git")
	}
	if l.git {
		return rest, found && gitPath(rest)
	}
	return rest, found && (rest == "" || strings.HasPrefix(rest, "/"))
}

// answer answers a request from the first that can.
func (d *Door) answer(w http.ResponseWriter, r *http.Request) {
	a := Answer{Method: r.Method, URL: shown(r.URL), Origin: StoodIn}
	out := watched(w)
	whole := false
	defer func() {
		a.Status = out.status
		switch {
		case !whole:
			a.Why = "the answer was cut off"
		case a.Origin != Refused && r.Method == http.MethodGet && !r.URL.Query().Has("scope"):
			a.Digest = out.digest() // packs and tokens differ from one time to the next
		}
		d.add(a)
	}()
	own := d.find(&d.own, r.URL, false)
	switch {
	case d.tokenForOwn(r.URL):
		a.Origin = Tree
		out.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(out, `{"token":"of-the-tree","access_token":"of-the-tree"}`) // fails only if the client is gone
	case own != nil && !ping(r.URL): // what a registry asks for its other repositories, it says itself
		a.Origin = Tree
		own.ServeHTTP(out, r)
	case d.find(&d.stoodIn, r.URL, true) == nil:
		a = d.outside(out, r, a)
	}
	if a.Origin == StoodIn || a.Origin == Refused {
		if own == nil {
			d.make(r)
		}
		h := d.find(&d.stoodIn, r.URL, false)
		switch {
		case own != nil:
			a.Origin, a.Why = Tree, ""
			own.ServeHTTP(out, r)
		case h != nil:
			a.Origin, a.Instead, a.Why = StoodIn, a.Why, ""
			d.use(r.URL)
			h.ServeHTTP(out, r)
		default:
			http.Error(out, "seatrial: "+a.Why, RefusedStatus)
		}
	} else if a.Origin != Tree && out.status == http.StatusOK {
		d.retire(r.URL)
	}
	if a.Why == cutOff { // the answer has begun: cut it short, which the client notices
		panic(http.ErrAbortHandler)
	}
	whole = true
}

// make has the maker of stand-ins put on the shelf what is asked for. That it can't is for the log only: the request
// is refused then.
func (d *Door) make(r *http.Request) {
	d.mu.Lock()
	maker := d.maker
	d.mu.Unlock()
	if maker != nil {
		maker(r.Context(), r.URL)
	}
}

// tokenForOwn says whether a token is asked for, at whichever server, with which the repo itself is read from a registry.
func (d *Door) tokenForOwn(u *url.URL) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(u.Query()["scope"], func(scope string) bool {
		return slices.ContainsFunc(d.own, func(p place) bool { return p.at.oci && strings.HasPrefix(scope, "repository:"+p.at.path+":") })
	})
}

// cutOff is the Why of an answer that ended too early.
const cutOff = "cut off"

// use notes that a stand-in has served: then the source's other requests are answered by stand-ins, too.
func (d *Door) use(u *url.URL) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, p := range d.stoodIn {
		if rest, below := p.at.below(u); below && rest != "" {
			d.stoodIn[i].used = true
		}
	}
}

// sourceOf is the part of a URL by which a person knows a source.
func sourceOf(u *url.URL) string {
	path := u.Path
	for _, part := range []string{"/manifests/", "/blobs/", "/tags/", "/referrers/", "/info/refs", "/git-upload-pack"} {
		if before, _, found := strings.Cut(path, part); found {
			return hostOf(u) + strings.TrimPrefix(before, "/v2")
		}
	}
	if i := strings.LastIndex(path, "/"); i >= 0 {
		path = path[:i]
	}
	return hostOf(u) + path
}

// retire has no stand-in serve a source any more that has answered itself: what it said of the rest, as the
// digests in an index, is not true of stand-ins.
func (d *Door) retire(u *url.URL) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stoodIn = slices.DeleteFunc(d.stoodIn, func(p place) bool {
		rest, below := p.at.below(u)
		return below && rest != "" && !p.used
	})
}

// find returns what serves a URL itself, or nil: of several places, the one with the longest path. used: only if it has
// served something already.
func (d *Door) find(places *[]place, u *url.URL, used bool) http.Handler {
	d.mu.Lock()
	defer d.mu.Unlock()
	var best *place
	for i, p := range *places {
		if _, found := p.at.below(u); found && (p.used || !used) && (best == nil || len(p.at.path) > len(best.at.path)) {
			best = &(*places)[i]
		}
	}
	if best == nil {
		return nil
	}
	return best.handler
}

// named says whether the repo names a host, given with or without a port.
func (d *Door) named(host string) bool {
	d.mu.Lock()
	names := d.names
	d.mu.Unlock()
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return names(strings.ToLower(host))
}

// outside has the process outside answer, and completes the record of it. What it refuses is not answered yet.
func (d *Door) outside(w http.ResponseWriter, r *http.Request, a Answer) Answer {
	a.Origin = Refused
	if d.link == nil {
		a.Why = errNoLink.Error()
		return a
	}
	request, err := http.NewRequestWithContext(r.Context(), r.Method, "http://outside/", r.Body)
	if err != nil {
		a.Why = err.Error()
		return a
	}
	request.ContentLength = r.ContentLength
	if r.ContentLength == 0 {
		request.Body = http.NoBody
	}
	for name, values := range r.Header {
		if !strings.HasPrefix(name, "Proxy-") && !strings.HasPrefix(name, "Seatrial-") && name != "Connection" {
			request.Header[name] = values
		}
	}
	request.Header.Set(HeaderURL, r.URL.String())
	if d.named(r.URL.Host) {
		request.Header.Set(HeaderNamed, "yes")
	}
	answer, err := d.link.RoundTrip(request)
	if err != nil {
		a.Why = err.Error()
		return a
	}
	defer answer.Body.Close()
	origin := Origin(answer.Header.Get(HeaderOrigin))
	if origin == Refused || origin == "" {
		a.Why = answer.Header.Get(HeaderWhy)
		return a
	}
	if d.refusesPlaceholder(r, answer.StatusCode) {
		a.Why = "it refuses the repo's credentials, which are placeholders here, as there is no key: give one with --age-key"
		return a
	}
	a.Origin, a.Instead, a.Yours = origin, answer.Header.Get(HeaderWhy), answer.Header.Get(HeaderYours) != ""
	a.Untried = answer.Header.Get(HeaderUntried) != "" || answer.StatusCode == http.StatusOK && d.isApart(r.URL.Hostname())
	for name, values := range answer.Header {
		if !strings.HasPrefix(name, "Seatrial-") {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(answer.StatusCode)
	if _, err := io.Copy(w, answer.Body); err != nil {
		a.Why = cutOff
	}
	return a
}

// refusesPlaceholder says whether a source has refused a credential that may be a placeholder.
func (d *Door) refusesPlaceholder(r *http.Request, status int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	given := r.Header.Get("Authorization") != "" && !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") || r.Method == http.MethodPost && r.URL.Path != "" && strings.HasSuffix(r.URL.Path, "/token")
	return d.placeholders && given && (status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusBadRequest)
}
