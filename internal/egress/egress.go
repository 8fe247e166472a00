// Package egress is the one door between a rehearsal's controllers and the outside.
//
// In the sandbox a controller reaches nothing but an HTTP proxy of ours (Door), and trusts the
// certificate authority that this made for one run. So a repo's sources are asked for by
// their own URLs, and no object is rewritten. Each request is answered by the first that can:
// the rehearsed tree, the vendor folder, the cache, the source itself, or a stand-in. What nothing
// answers is refused, with the reason. Each answer is recorded.
//
// The sandbox has no network. The process outside of it (package outside) reaches sources on behalf of the
// door, over a socket that both had before anything of the repo was read (Link).
package egress

import (
	"fmt"
	"net/http"
	"slices"
)

// Mode says from where sources are taken.
type Mode string

// The modes.
const (
	Auto    Mode = "auto"     // from where they are if that answers soon, else the cache, else stand-ins
	Cached  Mode = "cached"   // from the vendor folder and the cache, without stand-ins
	StandIn Mode = "stand-in" // stand-ins only: nothing is asked, not even the cache
	Live    Mode = "live"     // from where they are, without stand-ins
)

// Modes are all modes, the default first.
func Modes() []string { return []string{string(Auto), string(Cached), string(StandIn), string(Live)} }

// Origin says who gave an answer.
type Origin string

// The origins.
const (
	Tree     Origin = "tree"     // the rehearsed tree
	Vendor   Origin = "vendor"   // the vendor folder
	Cache    Origin = "cache"    // what an earlier rehearsal has fetched
	Upstream Origin = "upstream" // the source itself
	StoodIn  Origin = "stand-in"
	Tunnel   Origin = "tunnel"  // the source itself, over TLS that ends at the controller
	Refused  Origin = "refused" // nobody
)

// Real says whether an answer comes from the source itself, now or earlier.
func (o Origin) Real() bool {
	return slices.Contains([]Origin{Vendor, Cache, Upstream, Tunnel}, o)
}

// The headers of the requests over a Link, and of their answers. What is asked for is in headers of ours, as a
// request's own address is that of the link.
const (
	// HeaderURL is the address that is asked for, or host:port for a tunnel.
	HeaderURL = "Seatrial-Url"
	// HeaderNamed is set if the repo names the address's host.
	HeaderNamed = "Seatrial-Named"
	// HeaderOrigin is the Origin of the answer.
	HeaderOrigin = "Seatrial-Origin"
	// HeaderWhy is why the source itself did not answer.
	HeaderWhy = "Seatrial-Why"
	// HeaderUntried is set if a credential of the repo's would decide about the answer, and was not tried.
	HeaderUntried = "Seatrial-Untried"
	// HeaderYours is set if the answer was given to the user's own credentials.
	HeaderYours = "Seatrial-Yours"
)

// RefusedStatus is the HTTP status of a refusal: one that no server gives by itself, and no client
// tries again.
const RefusedStatus = 424

// Answer is what became of one kind of request.
type Answer struct {
	Method string `json:"method"`
	// URL is what was asked for, without credentials and without a query.
	URL    string `json:"url"`
	Origin Origin `json:"origin"`
	Status int    `json:"status,omitempty"`
	// Digest is that of the answer's body, as sha256: and hexadecimal digits; "" if it had none, or
	// it was not read to its end.
	Digest string `json:"digest,omitempty"`
	// Yours says that only the credentials of the user who rehearses got the answer.
	Yours bool `json:"yours,omitempty"`
	// Untried says that the repo's credentials or certificates, which would decide about the answer, were not tried.
	Untried bool `json:"untried,omitempty"`
	// Instead says why the source itself did not answer, where the cache or a stand-in did.
	Instead string `json:"instead,omitempty"`
	// Why says why a request was refused, or its answer is not whole.
	Why string `json:"why,omitempty"`
}

// String is the answer for a person.
func (a Answer) String() string {
	if a.Why != "" {
		return fmt.Sprintf("%s: %s", a.URL, a.Why)
	}
	if a.Status >= http.StatusBadRequest {
		return fmt.Sprintf("%s: %d %s", a.URL, a.Status, http.StatusText(a.Status))
	}
	return fmt.Sprintf("%s (%s)", a.URL, a.Origin)
}
