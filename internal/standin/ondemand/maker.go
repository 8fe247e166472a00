// Package ondemand makes stand-ins for charts when they are asked for.
//
// Which charts a repo takes, often only its cluster knows: names, addresses and versions come by substitution. So the
// door (package egress) asks a Maker about each request that nobody else has answered. A Maker knows what the
// objects of the repo and of the cluster name as charts, and puts those on the shelf. What is no chart to
// anybody, such as an OCIRepository that a Kustomization applies, gets no stand-in.
package ondemand

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/spelling"
	"seatrial.dev/seatrial/internal/standin"
)

// Options are what a Maker makes stand-ins of.
type Options struct {
	Catalogue *catalogue.Catalogue
	Shelf     standin.Shelf
	Repo      *gitops.Repo
	// Live returns the sources, HelmReleases, HelmCharts and Kustomizations that are in the cluster.
	Live func() []*unstructured.Unstructured
	// Real says whether a source itself has answered: then nothing stands in for it any more.
	Real func(source string) bool
	// Brings says whether a chart is known to bring the kinds of an API group.
	Brings func(chart, group string) bool
}

// Maker makes stand-ins for charts. It is safe for use by several requests at once.
type Maker struct {
	Options
	model    []*unstructured.Unstructured
	guessed  Provided
	expected takes

	mu     sync.Mutex
	served map[string]*standin.Served // by kind and canonical URL
	made   map[chartKey]map[string]standin.Chart
	pushed map[string]bool // image:tag
	late   map[want]bool   // see Late
	// generic and known are the charts that were made of a name only, and of a description.
	generic, known map[string]bool
}

// New makes a Maker. What the repo's files tell is looked at once, now.
func New(o Options) *Maker {
	m := &Maker{Options: o, served: map[string]*standin.Served{}, made: map[chartKey]map[string]standin.Chart{}, pushed: map[string]bool{}, late: map[want]bool{}, generic: map[string]bool{}, known: map[string]bool{}}
	m.model, _ = modelOf(o.Repo)
	wants, _ := asked(m.model)
	m.guessed = provide(o.Repo, wants, o.Brings)
	m.expected = expect(o.Repo, m.faithful, m.templated)
	return m
}

// patience is how long a request waits for the cluster to say whether an OCIRepository is a chart: its release may
// be created a moment later.
const patience = 3 * time.Second

// Make puts on the shelf what a request asks for, if that is a chart.
func (m *Maker) Make(ctx context.Context, u *url.URL) error {
	p := parse(u)
	if p.kind == other {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.kind == manifest && m.pushed[p.image()] || strings.HasPrefix(p.tag, "sha256:") && m.has(p) {
		return nil
	}
	objects := m.model
	wants, _ := asked(objects)
	if found := p.among(wants, u); p.kind != index && p.kind != tags && p.complete(found) {
		return m.put(ctx, found)
	}
	for until := time.Now().Add(patience); ; {
		wants, undecided := asked(slices.Concat(m.model, m.Live()))
		found := p.among(wants, u)
		if len(found) > 0 || !slices.ContainsFunc(undecided, p.at) || time.Now().After(until) {
			return m.put(ctx, found)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// has says whether there is any image in the repository that is asked for.
func (m *Maker) has(p request) bool {
	for image := range m.pushed {
		if strings.HasPrefix(image, p.host+"/"+p.repository+":") {
			return true
		}
	}
	return false
}

// put makes what is wanted, unless it is there or its source has answered itself.
func (m *Maker) put(ctx context.Context, wants []want) error {
	changed := map[string]bool{} // Helm repositories over HTTP
	for _, w := range wants {
		host, repository, oci := w.repository()
		source := w.url
		if oci {
			source = "oci://" + host + "/" + repository
		}
		if m.Real(source) {
			continue
		}
		if meant := m.misspelt(w); meant != "" {
			w.chart, w.version = meant, "" // the index has the one that is there
		}
		added, err := m.chart(w)
		if err != nil {
			return fmt.Errorf("stand in for %s of %s: %w", w.chart, w.url, err)
		}
		for _, c := range added {
			if !oci {
				changed[w.url] = true
				continue
			}
			if err := m.push(ctx, host+"/"+repository, c, w); err != nil {
				return fmt.Errorf("stand in for %s of %s: %w", w.chart, w.url, err)
			}
		}
	}
	for at := range changed {
		var charts []standin.Chart
		for key, versions := range m.made {
			if key.url == gitops.CanonicalURL(at) {
				charts = append(charts, slices.Collect(maps.Values(versions))...)
			}
		}
		slices.SortFunc(charts, func(a, b standin.Chart) int { return strings.Compare(a.Name+" "+a.Version, b.Name+" "+b.Version) })
		if _, err := m.Shelf.Charts(ctx, at, charts); err != nil {
			return err
		}
	}
	return nil
}

// misspelt returns the chart that is probably meant by one that a Helm repository of the catalogue's does not
// have; "" if none is.
func (m *Maker) misspelt(w want) string {
	var names []string
	for _, s := range standin.ChartsOf(m.Catalogue, w.url) {
		names = append(names, s.Chart.Name)
	}
	if slices.Contains(names, w.chart) {
		return ""
	}
	return spelling.Nearest(w.chart, names)
}

// push puts a chart into its place at a registry, under its version and under the tag that is asked for.
func (m *Maker) push(ctx context.Context, repository string, c standin.Chart, w want) error {
	image, err := standin.ChartImage(c.Archive)
	if err != nil {
		return err
	}
	names := []string{standin.Tag(c.Version)}
	if w.tagged && w.version != names[0] {
		names = append(names, w.version)
	}
	for _, tag := range names {
		at := repository + ":" + tag
		if m.pushed[at] {
			continue
		}
		if err := m.Shelf.Push(ctx, m.Shelf.Place(repository)+":"+tag, image); err != nil {
			return err
		}
		m.pushed[at] = true
	}
	return nil
}

// chart makes the versions of a chart that are wanted, and returns those that are new or have a new tag.
func (m *Maker) chart(w want) ([]standin.Chart, error) {
	service := m.service(w)
	own := ""
	if service != nil {
		own = service.Chart.Version
	}
	versions := []string{}
	if v := m.version(w, own); v != "" {
		versions = append(versions, v)
	}
	if own != "" && w.kind == gitops.HelmRepositoryKind.Kind && !slices.Contains(versions, own) {
		versions = append(versions, own)
	}
	var out []standin.Chart
	for _, version := range versions {
		c, there := m.made[w.key()][version]
		if !there {
			archive, generic, err := m.archive(w, service, version)
			if err != nil {
				return nil, err
			}
			c = standin.Chart{Name: w.chart, Version: version, Archive: archive}
			m.note(w, c, own, generic)
		} else if !w.tagged {
			continue
		}
		out = append(out, c)
	}
	return out, nil
}

// version is the one that stands in for what is wanted; "" if none can.
func (m *Maker) version(w want, own string) string {
	if w.tagged {
		version := strings.ReplaceAll(w.version, "_", "+")
		if exact(version) {
			return version
		}
		return "0.0.0" // a tag such as latest says nothing about the chart's version
	}
	preferred := slices.Sorted(maps.Keys(m.made[w.key()]))
	if own != "" {
		preferred = append([]string{own}, preferred...)
	}
	return satisfy(w.version, w.filter, preferred...)
}

// archive packs the stand-in, and says whether nothing is known of the chart.
func (m *Maker) archive(w want, service *catalogue.Service, version string) (archive []byte, generic bool, err error) {
	kinds := m.guessed.Kinds[w.key()]
	if service != nil {
		archive, err = standin.PackChart(service, version, m.expected[w.key()], kinds...)
		return archive, false, err
	}
	a := standin.Asked{Name: w.chart, Version: version, Kinds: kinds, Expected: m.expected[w.key()]}
	archive, err = standin.PackAny(a)
	return archive, a.Generic(), err
}

// note keeps what was made, for the report.
func (m *Maker) note(w want, c standin.Chart, own string, generic bool) {
	if m.made[w.key()] == nil {
		m.made[w.key()] = map[string]standin.Chart{}
	}
	m.made[w.key()][c.Version] = c
	at := w.kind + " " + gitops.CanonicalURL(w.url)
	if m.served[at] == nil {
		m.served[at] = &standin.Served{Kind: w.kind, Upstream: w.url, URL: w.url}
	}
	s := m.served[at]
	if !slices.Contains(s.Spellings, w.url) {
		s.Spellings = append(s.Spellings, w.url)
	}
	s.Add(c, own)
	if generic {
		m.generic[c.Name+" "+c.Version] = true
	} else if own == "" {
		m.known[c.Name+" "+c.Version] = true
	}
}

// service is the catalogue's for a chart at its address, or nil.
func (m *Maker) service(w want) *catalogue.Service {
	from := w.url
	if w.kind == gitops.OCIRepositoryKind.Kind {
		from = strings.TrimSuffix(strings.TrimRight(w.url, "/"), "/"+w.chart)
	}
	for _, s := range standin.ChartsOf(m.Catalogue, from) {
		if s.Chart.Name == w.chart {
			return s
		}
	}
	return nil
}

// faithful says whether more is known of a chart than its name and kinds.
func (m *Maker) faithful(w want) bool {
	return m.service(w) != nil || m.templated(w)
}

// templated says whether a chart's stand-in is made of a template for just this chart.
func (m *Maker) templated(w want) bool {
	return m.service(w) == nil && standin.Asked{Name: w.chart, Version: m.version(w, "")}.Templated()
}
