// Package kinds knows which charts and Carvel packages bring the CRDs of which API groups, and
// how the kinds of these groups are called and whether their objects have a namespace.
//
// It is pure: what it knows is in charts.yaml and kinds.txt, which are read once.
package kinds

import (
	"bytes"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

//go:embed charts.yaml
var chartsFile []byte

// Placement says how CRDs come with a chart.
type Placement string

// The placements. A package has none: its CRDs are among its objects.
const (
	InFolder    Placement = "crds"      // in its folder crds/, which Helm applies before anything else
	AsTemplates Placement = "templates" // among its objects, often switched by a value
	ByOperator  Placement = "operator"  // made by what runs there, once the release is there
)

// Provision is what a chart or package brings: a row of charts.yaml.
type Provision struct {
	// Charts are the names of the charts that bring it; one with a slash begins with the end of its
	// repository's address.
	Charts []string `yaml:"charts"`
	// Packages are the names of packages, without their domains.
	Packages []string `yaml:"packages"`
	// Groups are API groups; "*.g" stands for the subdomains of g.
	Groups []string  `yaml:"groups"`
	CRDs   Placement `yaml:"crds"`
	// If are the chart's values that switch the CRDs on, by their paths, with their defaults. It is
	// empty if nothing does; else one that is on is enough.
	If map[string]bool `yaml:"if"`
}

// Brings says whether CRDs of an API group are among what comes.
func (p Provision) Brings(group string) bool {
	return slices.ContainsFunc(p.Groups, func(g string) bool {
		parent, wild := strings.CutPrefix(g, "*")
		return g == group || wild && strings.HasSuffix(group, parent)
	})
}

// On says whether a chart's values leave the CRDs switched on. more says that there are values
// besides, which are not known here: a switch that is not among the known ones is then taken to be on.
func (p Provision) On(values map[string]any, more bool) bool {
	if len(p.If) == 0 {
		return true
	}
	for path, on := range p.If {
		v, found, err := unstructured.NestedFieldNoCopy(values, strings.Split(path, ".")...)
		switch {
		case err != nil: // something other than a map is on the way there, so nothing can be said
			on = true
		case found && v != nil:
			on = truthy(v)
		case more:
			on = true
		}
		if on {
			return true
		}
	}
	return false
}

// truthy says whether a template's if takes a value for true. A text may be a substitution, and is.
func truthy(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		return v != ""
	case map[string]any:
		return len(v) > 0
	case []any:
		return len(v) > 0
	}
	return fmt.Sprint(v) != "0"
}

// table is charts.yaml.
type table struct {
	Provides []Provision `yaml:"provides"`
	Nothing  struct {
		Charts   [][]string `yaml:"charts"`
		Packages [][]string `yaml:"packages"`
	} `yaml:"nothing"`
	Platforms []struct {
		Name   string   `yaml:"name"`
		Groups []string `yaml:"groups"`
	} `yaml:"platforms"`

	charts   map[string][]named // by the last part of their names
	packages map[string][]Provision
}

// named is a provision under one of its chart's names; it brings nothing if that is known of the chart.
type named struct {
	name string
	Provision
}

// charts is the table, read when it is first needed. It is part of the program, and a test reads it.
var charts = sync.OnceValue(func() *table {
	t, err := readTable(chartsFile)
	if err != nil {
		panic(err)
	}
	return t
})

// readTable reads a table in the form of charts.yaml; fields that it does not have are errors.
func readTable(b []byte) (*table, error) {
	t := &table{charts: map[string][]named{}, packages: map[string][]Provision{}}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(t); err != nil {
		return nil, fmt.Errorf("charts.yaml: %w", err)
	}
	for _, p := range t.Provides {
		for _, name := range p.Charts {
			t.charts[last(name)] = append(t.charts[last(name)], named{name, p})
		}
		for _, name := range p.Packages {
			t.packages[name] = append(t.packages[name], p)
		}
	}
	for _, name := range slices.Concat(t.Nothing.Charts...) {
		t.charts[name] = append(t.charts[name], named{name: name})
	}
	for _, name := range slices.Concat(t.Nothing.Packages...) {
		t.packages[name] = append(t.packages[name], Provision{})
	}
	return t, nil
}

// last is the last part of a name or address.
func last(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// OfChart returns what a chart is known to bring. The chart is its name, or its address: that of its
// repository, a slash, and its name, or that of its OCI repository. known is false if it is in no list,
// so that it may bring anything.
func OfChart(chart string) (brings []Provision, known bool) {
	_, address, found := strings.Cut(chart, "://")
	if !found {
		address = chart
	}
	address = strings.ToLower(strings.Trim(address, "/"))
	for _, n := range charts().charts[last(address)] {
		if strings.Contains(address, "/") && !strings.HasSuffix("/"+address, "/"+n.name) {
			continue
		}
		known = true
		if len(n.Groups) > 0 {
			brings = append(brings, n.Provision)
		}
	}
	return brings, known
}

// OfPackage returns what a Carvel package is known to bring. name is its name, with or without its
// domain: a package cert-manager.tanzu.vmware.com goes by cert-manager.
func OfPackage(name string) (brings []Provision, known bool) {
	name, _, _ = strings.Cut(name, ".")
	for _, p := range charts().packages[strings.ToLower(name)] {
		known = true
		if len(p.Groups) > 0 {
			brings = append(brings, p)
		}
	}
	return brings, known
}

// Known returns the API groups whose kinds a chart can bring, sorted, and whether it is known at all.
// The chart is a name or address as for OfChart.
func Known(chart string) (groups []string, known bool) {
	brings, known := OfChart(chart)
	return groupsOf(brings), known
}

// groupsOf are the API groups of provisions, sorted, each once.
func groupsOf(all []Provision) []string {
	set := map[string]bool{}
	for _, p := range all {
		for _, g := range p.Groups {
			set[g] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// Installers returns the names of the charts and packages that bring the kinds of an API group, sorted,
// each once, without their repositories' addresses; none if nothing known does.
func Installers(group string) []string {
	set := map[string]bool{}
	for _, p := range charts().Provides {
		if !p.Brings(group) {
			continue
		}
		for _, name := range slices.Concat(p.Charts, p.Packages) {
			set[last(name)] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// Platform returns the name of the kind of cluster that has the kinds of an API group before
// anything is installed there, or "".
func Platform(group string) string {
	for _, p := range charts().Platforms {
		if slices.Contains(p.Groups, group) {
			return p.Name
		}
	}
	return ""
}
