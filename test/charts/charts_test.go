package charts

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/catalogue"
)

// Every release of the full blueprint, and each chart that only other people's repos use.
func TestStandInsAreTrueOfTheRealCharts(t *testing.T) {
	r := newRenderer(t)
	for _, rel := range append(releases(t, nil), known(t)...) {
		t.Run(rel.Metadata.Name, func(t *testing.T) {
			real, err := r.chart(rel.service)
			if err != nil {
				t.Fatal(err)
			}
			want := r.facts(t, rel, real)
			got := r.facts(t, rel, r.standIn(t, rel.service))
			if at := r.version(t, real); at != rel.service.Chart.Version {
				if !slices.Contains(strings.Split(os.Getenv("SEATRIAL_NEAREST"), ","), rel.service.Name) {
					t.Errorf("chart %s is at hand, and %s is pinned: name %s in SEATRIAL_NEAREST to compare them without the images' versions", at, rel.service.Chart.Version, rel.service.Name)
				}
				t.Logf("chart %s, nearest to %s: versions of images are not compared", at, rel.service.Chart.Version)
				want.untagged()
				got.untagged()
			}
			notOurs(t, rel)
			for _, d := range startedLater(want, got, describe(t, rel).Later) {
				t.Error(d)
			}
			for _, d := range differences(want, got) {
				t.Error(d)
			}
			for _, d := range unlisted(want, rel.service.Images, ownManifests(t, rel.service)) {
				t.Error(d)
			}
		})
	}
}

// With a proxy for each registry, every image that a real chart runs or names is pulled
// through it.
func TestRealChartsImagesComeThroughTheProxies(t *testing.T) {
	r := newRenderer(t)
	proxies := blueprint.RegistryProxy{}
	for _, host := range []string{"docker.io", "quay.io", "ghcr.io", "registry.k8s.io", "registry.gitlab.com", "docker.gitea.com"} {
		proxies[host] = "registry.my-domain.com/" + host
	}
	for _, rel := range releases(t, proxies) {
		t.Run(rel.Metadata.Name, func(t *testing.T) {
			real, err := r.chart(rel.service)
			if err != nil {
				t.Fatal(err)
			}
			f := r.facts(t, rel, real)
			for i := range f[mention] {
				if !strings.HasPrefix(i, "registry.my-domain.com/") {
					t.Errorf("it names %s, which bypasses the proxy", i)
				}
			}
			for i := range f.images() {
				name, _ := catalogue.SplitImage(i)
				if !strings.HasPrefix(i, "registry.my-domain.com/") && !slices.Contains(rel.rewritten(), name) {
					t.Errorf("it runs %s, which bypasses the proxy", i)
				}
			}
		})
	}
}

// The namespaces' levels are what the real charts' pods need, and no more.
func TestNamespacesHaveTheLevelThatRealChartsNeed(t *testing.T) {
	r := newRenderer(t)
	order := []string{"restricted", "baseline", "privileged"}
	needs, has := map[string]int{}, map[string]int{}
	for _, rel := range releases(t, nil) {
		real, err := r.chart(rel.service)
		if err != nil {
			t.Fatal(err)
		}
		at := rel.Metadata.Namespace
		has[at] = max(has[at], slices.Index(order, rel.service.PodSecurity))
		for text := range r.facts(t, rel, real)[level] {
			_, l, _ := strings.Cut(text, ": ")
			needs[at] = max(needs[at], slices.Index(order, l))
		}
	}
	for namespace, l := range needs {
		if has[namespace] != l {
			t.Errorf("namespace %s is labelled %s, and its charts need %s", namespace, order[has[namespace]], order[l])
		}
	}
}

// unlisted are the differences between the images that a chart runs or names and those that
// the catalogue lists for the service; own are the service's manifests beside the chart.
func unlisted(f facts, listed []string, own string) []string {
	plain := func(image string) string {
		name, _ := catalogue.SplitImage(image)
		host, repository := catalogue.Registry(name)
		return host + "/" + repository
	}
	real, list := map[string]bool{}, map[string]bool{}
	for _, all := range []map[string]bool{f.images(), f[mention]} {
		for i := range all {
			real[plain(i)] = true
		}
	}
	var out []string
	for _, i := range listed {
		list[plain(i)] = true
		if name, _ := catalogue.SplitImage(i); !real[plain(i)] && !strings.Contains(own, name+":") {
			out = append(out, "service.yaml lists "+i+", which the chart does not run")
		}
	}
	for i := range real {
		if !list[i] {
			out = append(out, "service.yaml does not list "+i)
		}
	}
	return out
}

// ownManifests are the manifests that a service has beside its chart.
func ownManifests(t *testing.T, s *catalogue.Service) string {
	t.Helper()
	var out strings.Builder
	for _, layer := range []string{"helm-post", "kapp-post", "cluster-essentials"} {
		files, err := s.Files(layer)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			text, err := s.File(name)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(text)
		}
	}
	return out.String()
}

// description is what the comparison reads of a stand-in.yaml.
type description struct{ Made, Later []string }

func describe(t *testing.T, rel release) description {
	t.Helper()
	text, err := rel.service.File("stand-in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var d description
	if err := yaml.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// made are the Secrets that a stand-in says the chart's Jobs make.
func made(t *testing.T, rel release) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, name := range describe(t, rel).Made {
		out[strings.Replace(name, "~", rel.Metadata.Name, 1)] = true
	}
	return out
}

// notOurs fails if a Secret that a chart's Jobs are said to make is one that the values name: it
// would not be compared.
func notOurs(t *testing.T, rel release) {
	t.Helper()
	values, err := yaml.Marshal(rel.Spec.Values)
	if err != nil {
		t.Fatal(err)
	}
	for name := range made(t, rel) {
		if regexp.MustCompile(`(?m)[:\s-]` + regexp.QuoteMeta(name) + `$`).Match(values) {
			t.Errorf("the values name Secret %s, so no Job of the chart makes it", name)
		}
	}
}

func (r *renderer) facts(t *testing.T, rel release, chart string) facts {
	t.Helper()
	f, err := factsOf(r.template(t, rel, chart), made(t, rel))
	if err != nil {
		t.Fatal(err)
	}
	return f
}
