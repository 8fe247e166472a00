package rehearse

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/spelling"
	"seatrial.dev/seatrial/internal/standin"
	"seatrial.dev/seatrial/internal/verdict/cause"
)

// openDoor has the cluster's door, if it has one, serve the repo itself under each of its URLs, and
// reach the hosts that the repo names.
func (r *rehearsal) openDoor() {
	doored, ok := r.cluster.(cluster.Doored)
	if !ok {
		return
	}
	r.door = doored.Door()
	for _, url := range r.subject.Repo.Addresses() {
		r.door.Own(url, doored.Tree())
	}
	for _, s := range r.subject.Repo.Sources() {
		if s.Certificates() {
			r.door.Apart(s.Host())
		}
	}
	r.door.Placeholders(len(r.subject.Rekeyed) > 0)
	r.door.Names((&names{tree: os.DirFS(r.Subject.Dir), live: r.liveText, known: map[string]bool{}, asked: map[string]time.Time{}}).has)
}

// names finds out which hosts a repo names: in a file of its tree or, where a name is put together
// by substitution or comes with a package, in an object of the cluster.
type names struct {
	tree fs.FS
	live func() string

	once  sync.Once
	words map[string]bool // of the tree, in lower case

	mu    sync.Mutex
	known map[string]bool
	asked map[string]time.Time // when the cluster was looked at last, by host
}

// has says whether the repo names a host. Images that name no registry mean Docker Hub.
func (n *names) has(host string) bool {
	n.once.Do(n.read)
	if n.words[host] || dockerHub[host] || slices.Contains(sigstore, host) && n.words["cosign"] {
		return true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.known[host] && time.Since(n.asked[host]) > time.Second {
		n.known[host] = spelling.Holds(n.live(), host)
		n.asked[host] = time.Now()
	}
	return n.known[host]
}

// sigstore are the hosts that Flux asks about signatures without a key.
var sigstore = []string{"tuf-repo-cdn.sigstore.dev", "rekor.sigstore.dev", "fulcio.sigstore.dev"}

// dockerHub are the names of the registry that needs none.
var dockerHub = map[string]bool{"registry-1.docker.io": true, "index.docker.io": true, "docker.io": true}

// read collects the words of the tree's files that can be a host's name, and those that tell of signatures.
func (n *names) read() {
	n.words = map[string]bool{}
	_ = fs.WalkDir(n.tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !d.Type().IsRegular() {
			return err
		}
		b, err := fs.ReadFile(n.tree, name)
		for _, w := range word.FindAll(b, -1) {
			n.words[strings.ToLower(strings.Trim(string(w), ".-"))] = true
		}
		return err
	})
}

var word = regexp.MustCompile(`[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)+|\bcosign\b|\[?[0-9A-Fa-f:]*::?[0-9A-Fa-f:]+`)

// naming are the kinds of objects that controllers fetch something for.
var naming = []schema.GroupVersionResource{
	{Group: gitops.SourceGroup, Version: "v1", Resource: "gitrepositories"},
	{Group: gitops.SourceGroup, Version: "v1", Resource: "helmrepositories"},
	{Group: gitops.SourceGroup, Version: "v1", Resource: "ocirepositories"},
	{Group: gitops.SourceGroup, Version: "v1", Resource: "buckets"},
	{Group: "packaging.carvel.dev", Version: "v1alpha1", Resource: "packagerepositories"},
	{Group: "data.packaging.carvel.dev", Version: "v1alpha1", Resource: "packages"},
	{Group: "kappctrl.k14s.io", Version: "v1alpha1", Resource: "apps"},
}

// liveText is what the cluster's objects of these kinds want, as text. What can't be listed names
// nothing.
func (r *rehearsal) liveText() string {
	c := r.cluster.Client()
	if c == nil {
		return ""
	}
	var out strings.Builder
	for _, kind := range naming {
		list, err := c.Dynamic.Resource(kind).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			continue
		}
		for _, u := range list.Items {
			if b, err := json.Marshal(u.Object["spec"]); err == nil {
				out.Write(b)
			}
		}
	}
	return out.String()
}

// answers puts into the report what the door has answered, and leaves out the stand-ins that
// nobody asked for.
func (r *rehearsal) answers() {
	if r.door == nil {
		return
	}
	all, more := r.door.All()
	r.report.Egress = all
	if more > 0 {
		r.report.BlindSpots = append(r.report.BlindSpots, finding.Unseen(finding.Unlisted, "%d more answers from outside are not listed", more))
	}
	if r.maker != nil {
		r.served = append(r.served, r.maker.Served()...)
	}
	r.served = slices.DeleteFunc(r.served, func(s standin.Served) bool {
		return !r.door.StoodIn(s.URL) && !slices.ContainsFunc(s.Spellings, r.door.StoodIn)
	})
	if n := egress.SourcesOf(all, func(a egress.Answer) bool { return a.Untried }); n != "" {
		r.report.BlindSpots = append(r.report.BlindSpots, finding.Unseen(finding.UntriedLogin, "answered from the cache or the vendor folder, without the repo's credentials or certificates being tried: %s", n))
	}
	if n := egress.SourcesOf(all, func(a egress.Answer) bool { return a.Yours }); n != "" {
		r.report.BlindSpots = append(r.report.BlindSpots, finding.Unseen(finding.YourCredentials, "fetched with your own credentials, as the repo gives none: %s", n))
	}
}

// sayWhy adds to findings about sources that could not be reached why that is, where the client that was
// refused has not passed it on.
func (r *rehearsal) sayWhy() {
	if r.door == nil {
		return
	}
	say := func(all []finding.Finding) {
		for i := range all {
			f := &all[i]
			if f.Code != finding.SourceUnreachable || strings.Contains(f.Evidence, "seatrial: ") {
				continue
			}
			for _, url := range anyURL.FindAllString(f.Evidence, -1) {
				if why := r.door.Why(url); why != "" {
					f.Message += ": " + why
					f.Fix = cause.FixOutOfReach(why)
					break
				}
			}
		}
	}
	say(r.report.Findings)
	for _, l := range r.report.Layers {
		say(l.Findings)
	}
}

var anyURL = regexp.MustCompile(`https?://[^\s'"?]+`)
