package egress

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// maxAnswers is how many different answers a record holds: a repo can ask for any number.
const maxAnswers = 5000

// Record is the list of answers that a door has given.
type Record struct {
	mu      sync.Mutex
	answers map[string]Answer
	more    int
}

// add notes an answer. One that was given again counts once, with what was said last.
func (r *Record) add(a Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answers == nil {
		r.answers = map[string]Answer{}
	}
	key := a.Method + " " + a.URL + " " + string(a.Origin)
	old, known := r.answers[key]
	// What weighs is always there: a repo that asks for thousands of other things does not get rid of it.
	weighs := a.Origin == StoodIn && a.Status == http.StatusOK || a.Yours || a.Untried
	if !known && len(r.answers) >= maxAnswers && !weighs {
		r.more++
		return
	}
	if a.Digest == "" && old.Status == a.Status {
		a.Digest = old.Digest
	}
	if a.Instead == "" { // a source that has begun with a stand-in is not asked again
		a.Instead = old.Instead
	}
	r.answers[key] = a
}

// All returns what was answered, sorted by URL, and how many more answers there were than a
// record holds.
func (r *Record) All() ([]Answer, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Answer
	for _, a := range r.answers {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b Answer) int {
		return cmp.Or(cmp.Compare(a.URL, b.URL), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Origin, b.Origin))
	})
	return out, r.more
}

// Sources lists the sources that were asked, by who answered. One that was answered from several places counts with
// the first of: itself, the cache, the vendor folder, a stand-in, nobody. The repo itself is none.
func Sources(all []Answer) map[Origin][]string {
	rank := []Origin{Upstream, Tunnel, Cache, Vendor, StoodIn, Refused}
	best := map[string]int{}
	for _, a := range all {
		u, err := url.Parse(a.URL)
		at := slices.Index(rank, a.Origin)
		if err != nil || at < 0 || ping(u) {
			continue
		}
		source := sourceOf(u)
		if old, known := best[source]; !known || at < old {
			best[source] = at
		}
	}
	out := map[Origin][]string{}
	for _, source := range slices.Sorted(maps.Keys(best)) {
		o := rank[best[source]]
		out[o] = append(out[o], source)
	}
	return out
}

// Instead says of sources that were answered from the cache or by a stand-in why that is, where it is known.
func Instead(all []Answer) map[string]string {
	out := map[string]string{}
	for _, a := range all {
		if u, err := url.Parse(a.URL); err == nil && a.Instead != "" {
			out[sourceOf(u)] = a.Instead
		}
	}
	return out
}

// InsteadOf says why a source, given as the repo writes it, was not asked itself; "" if it was, or that is not known.
func InsteadOf(all []Answer, source string) string {
	at, ok := locate(source)
	if !ok {
		at, ok = locate("oci://" + untagged(source))
	}
	for _, a := range all {
		u, err := url.Parse(a.URL)
		if err != nil || !ok || a.Instead == "" {
			continue
		}
		if _, below := at.below(u); below {
			return a.Instead
		}
	}
	return ""
}

// Unanswered are the sources that gave nothing: of each, the answer that says why.
func Unanswered(all []Answer) []Answer {
	given, missed := map[string]bool{}, map[string]Answer{}
	for _, a := range all {
		u, err := url.Parse(a.URL)
		if err != nil || a.Origin == Tree || ping(u) && a.Origin != Refused {
			continue
		}
		source := sourceOf(u)
		switch {
		case a.Why == "" && (a.Status == http.StatusOK || a.Origin == Tunnel):
			given[source] = true
		case missed[source].URL == "" || a.Origin == Refused:
			missed[source] = a
		}
	}
	var out []Answer
	for _, source := range slices.Sorted(maps.Keys(missed)) {
		if !given[source] {
			out = append(out, missed[source])
		}
	}
	return out
}

// ping says whether a URL is where clients ask a registry whether it is one, or for a token.
func ping(u *url.URL) bool {
	return strings.TrimRight(u.Path, "/") == "/v2" || strings.HasSuffix(u.Path, "/token")
}

// SourcesOf lists the sources of some of the answers; "" if there are none.
func SourcesOf(all []Answer, which func(Answer) bool) string {
	var out []string
	for _, a := range all {
		u, err := url.Parse(a.URL)
		if err != nil || !which(a) {
			continue
		}
		if s := sourceOf(u); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, ", ")
}

// shown is a URL as it is recorded: queries may hold signatures, and user names passwords.
func shown(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]; port != "" {
		host = strings.TrimSuffix(host, port)
	}
	return strings.ToLower(u.Scheme) + "://" + host + u.EscapedPath()
}
