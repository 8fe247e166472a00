// Package declaration is what a repo says once of its own rehearsal, in .seatrial.yaml, so that nobody has to
// say it by flags: where its clusters are, what exists before Flux, which sources are the repo itself, and
// which findings it accepts. internal/policy has the rest of that file.
package declaration

import (
	"cmp"
	"slices"

	"github.com/invopop/jsonschema"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/strict"
)

// File is where a repo keeps it, at its top.
const File = ".seatrial.yaml"

// Package is this package's path, under which a schema that contains these types finds their comments.
const Package = "seatrial.dev/seatrial/internal/declaration"

// Declaration is what a repo declares. The zero value declares nothing.
type Declaration struct {
	// The clusters that the repo is for. Without them, they are looked for; --path names another one.
	Clusters []Cluster `yaml:"clusters,omitempty" json:"clusters,omitempty"`
	// What is on the clusters before Flux is.
	Prerequisites Prerequisites `yaml:"prerequisites,omitempty" json:"prerequisites,omitempty"`
	// Sources that carry this very repo, under whatever address. The rehearsed tree is served in their place; those of which that can be told without are found.
	Sources []Source `yaml:"sources,omitempty" json:"sources,omitempty"`
	// Namespace whose Carvel packages all namespaces see, as the clusters' kapp-controller is configured.
	PackagingGlobalNamespace string `yaml:"packagingGlobalNamespace,omitempty" json:"packagingGlobalNamespace,omitempty"`
	// Pod Security level that the clusters enforce in namespaces without a label; Kubernetes's own is privileged.
	PodSecurity string `yaml:"podSecurity,omitempty" json:"podSecurity,omitempty" jsonschema:"enum=privileged,enum=baseline,enum=restricted"`
	// Findings that are known and put up with for a time. They stay in the report, and are no errors.
	Accept []Acceptance `yaml:"accept,omitempty" json:"accept,omitempty"`
}

// Cluster is a folder that Flux is bootstrapped on.
type Cluster struct {
	// The folder, from the repo's top, such as clusters/production.
	Path string `yaml:"path" json:"path"`
	// What the cluster is called in reports; its path by default.
	Name string `yaml:"name,omitempty" json:"name,omitempty"`
}

// Prerequisites are what exists on a cluster before Flux does.
type Prerequisites struct {
	// Files and folders of the repo with manifests that somebody applies by hand or with another tool: Namespaces, CRDs, ConfigMaps, StorageClasses. They are applied before Flux.
	Manifests []string `yaml:"manifests,omitempty" json:"manifests,omitempty"`
	// Kinds of objects whose CRDs are not in the repo. Objects of them are taken as they are.
	Kinds []Kind `yaml:"kinds,omitempty" json:"kinds,omitempty"`
	// What the nodes have that pods ask for.
	Nodes Nodes `yaml:"nodes,omitempty" json:"nodes,omitempty"`
}

// The scopes of kinds.
const (
	Namespaced  = "Namespaced"
	ClusterWide = "Cluster"
)

// Kind is a kind of objects that the API server serves before Flux is there.
type Kind struct {
	// Group and version, such as monitoring.coreos.com/v1.
	APIVersion string `yaml:"apiVersion" json:"apiVersion"`
	// Such as ServiceMonitor.
	Kind string `yaml:"kind" json:"kind"`
	// Whether objects of it have a namespace; Namespaced by default.
	Scope string `yaml:"scope,omitempty" json:"scope,omitempty" jsonschema:"enum=Namespaced,enum=Cluster"`
	// What URLs call it; by default what Kubernetes makes of the kind, such as servicemonitors.
	Plural string `yaml:"plural,omitempty" json:"plural,omitempty"`
}

// Nodes are what pods find on the nodes.
type Nodes struct {
	// Labels that pods select nodes by.
	Labels map[string]string `yaml:"labels,omitempty" json:"labels,omitempty"`
	// Resources of each node, such as nvidia.com/gpu: 2.
	Resources map[string]Quantity `yaml:"resources,omitempty" json:"resources,omitempty"`
}

// Source is a source object of Flux.
type Source struct {
	Kind string `yaml:"kind" json:"kind" jsonschema:"enum=GitRepository,enum=OCIRepository,enum=Bucket"`
	// Its namespace; flux-system by default.
	Namespace string `yaml:"namespace,omitempty" json:"namespace,omitempty"`
	Name      string `yaml:"name" json:"name"`
}

// Acceptance accepts findings: they are no errors as long as it holds.
type Acceptance struct {
	// The code of the findings, as reports print it.
	Code finding.Code `yaml:"code" json:"code"`
	// The object that they are about, as reports print it: Kind/namespace/name or Kind/name. An asterisk stands for any text without a slash.
	Object string `yaml:"object" json:"object"`
	// Why they are put up with.
	Reason string `yaml:"reason" json:"reason"`
	// The last day on which they are, such as 2027-01-31. From then on they count again.
	Until Day `yaml:"until" json:"until"`
	// Line is where the file has it.
	Line int `yaml:"-" json:"-"`
}

// Quantity is an amount of a resource, as Kubernetes writes it: 2, 500m or 16Gi.
type Quantity string

// Bare has numbers be written without quotes.
func (Quantity) Bare() []string { return []string{"!!int", "!!float"} }

// JSONSchema says the same to editors.
func (Quantity) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}}}
}

// Day is a day, as 2027-01-31.
type Day string

// Bare has days be written without quotes.
func (Day) Bare() []string { return []string{"!!timestamp"} }

// JSONSchema says what a day looks like.
func (Day) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Format: "date"}
}

// JSONSchemaExtend lists the codes that can be accepted.
func (Acceptance) JSONSchemaExtend(s *jsonschema.Schema) {
	code, ok := s.Properties.Get("code")
	if !ok {
		return
	}
	for _, c := range Acceptable() {
		code.Enum = append(code.Enum, c)
	}
}

// Acceptable are the codes of findings that can be accepted.
func Acceptable() []string {
	var out []string
	for _, c := range finding.Codes() {
		if c.Unacceptable() == "" {
			out = append(out, string(c))
		}
	}
	return out
}

// FluxNamespace is where sources are if nothing else is said.
const FluxNamespace = "flux-system"

// fill puts defaults in place of what is left out.
func (d *Declaration) fill(r *strict.Reader) {
	for i := range d.Clusters {
		c := &d.Clusters[i]
		c.Path = tidy(c.Path)
		c.Name = cmp.Or(c.Name, c.Path)
	}
	for i, m := range d.Prerequisites.Manifests {
		d.Prerequisites.Manifests[i] = tidy(m)
	}
	for i := range d.Prerequisites.Kinds {
		k := &d.Prerequisites.Kinds[i]
		k.Scope, k.Plural = cmp.Or(k.Scope, Namespaced), cmp.Or(k.Plural, guess(*k))
	}
	for i := range d.Sources {
		d.Sources[i].Namespace = cmp.Or(d.Sources[i].Namespace, FluxNamespace)
	}
	for i := range d.Accept {
		d.Accept[i].Line = r.Line(at("accept", i))
	}
}

// Carries says whether the repo declares that a source object carries it.
func (d Declaration) Carries(kind, namespace, name string) bool {
	return slices.Contains(d.Sources, Source{Kind: kind, Namespace: namespace, Name: name})
}

// Paths are the folders of the clusters.
func (d Declaration) Paths() []string {
	var out []string
	for _, c := range d.Clusters {
		out = append(out, c.Path)
	}
	return out
}
