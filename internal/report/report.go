// Package report is the record of a rehearsal, and the formats that it is written in.
package report

import (
	"encoding/json"
	"io"
	"math"
	"slices"

	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/timing"
	"seatrial.dev/seatrial/internal/verdict"
)

// The version of the format.
const (
	APIVersion = "seatrial.dev/v1alpha1"
	Kind       = "Report"
)

// Report says what was rehearsed, how, and what became of it.
type Report struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Verdict    verdict.Verdict `json:"verdict"`
	// Tier is embedded, kind or existing: how much of the cluster was real.
	Tier string `json:"tier"`
	// Revision is the Git commit that Flux reconciled.
	Revision string `json:"revision"`
	// Commit is the commit that was taken from the repo; empty if the tree was not committed.
	Commit string `json:"commit,omitempty"`
	// Tree is the Git tree hash of the rehearsed files as they are in the repo.
	Tree string `json:"tree"`
	// Origin says where the tree was taken from.
	Origin string `json:"origin"`
	Path   string `json:"path"`
	// Versions of the rehearsal's parts, by name.
	Versions map[string]string `json:"versions"`
	Timings  Timings           `json:"timings"`
	// CriticalPath is what the verdict had to wait for, from the command's start on.
	CriticalPath []timing.Span     `json:"criticalPath,omitempty"`
	Layers       []Layer           `json:"layers"`
	Findings     []finding.Finding `json:"findings"`
	// BlindSpots are what this tier could not see of this repo.
	BlindSpots []finding.BlindSpot `json:"blindSpots"`
	// Assumptions are what the repo takes for granted of its cluster, and the rehearsal with it.
	Assumptions []Assumption `json:"assumptions,omitempty"`
	// PodSecurity is the level that namespaces without a label enforced, or were held against; empty for Kubernetes's own default.
	PodSecurity string `json:"podSecurity,omitempty"`
	// PackagingGlobalNamespace is the one that the rehearsal's kapp-controller had.
	PackagingGlobalNamespace string `json:"packagingGlobalNamespace,omitempty"`
	// StandIns are sources that were replaced.
	StandIns []StandIn `json:"standIns"`
	// Sources are those that were fetched from where the repo says.
	Sources []Source `json:"sources,omitempty"`
	// Egress is what the cluster's controllers asked of the outside, and who answered.
	Egress []egress.Answer `json:"egress,omitempty"`
	// Demand is what the repo asked of the cluster; nil if it did not come to that.
	Demand *Demand `json:"demand,omitempty"`
	// Rekeyed are SOPS files that were re-made with placeholder values.
	Rekeyed []Rekeyed `json:"rekeyed,omitempty"`
	// Bootstrapped are files that flux bootstrap added or changed, as it does on
	// the real cluster, below the cluster's folder.
	Bootstrapped []Bootstrapped `json:"bootstrapped,omitempty"`
}

// Assumption is something that the repo takes for granted of its cluster.
type Assumption struct {
	// What is taken for granted: an object that exists, as Kind/namespace/name, or a sentence.
	What string `json:"what"`
	// Why, and how it is declared instead; empty if the repo itself says so.
	Why     string `json:"why,omitempty"`
	Declare string `json:"declare,omitempty"`
	// File and Line are where the repo tells of it; empty if it only refers to it.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// String is what is assumed and why, in a line.
func (a Assumption) String() string {
	if a.Why == "" {
		return a.What
	}
	return a.What + ": " + a.Why
}

// New returns an empty report for a tier.
func New(tier string, versions map[string]string) *Report {
	return &Report{
		APIVersion: APIVersion, Kind: Kind, Tier: tier, Versions: versions,
		Layers: []Layer{}, Findings: []finding.Finding{}, BlindSpots: []finding.BlindSpot{}, StandIns: []StandIn{},
	}
}

// Timings are wall-clock seconds by phase.
type Timings struct {
	Engine    float64 `json:"engine"`
	Boot      float64 `json:"boot"`
	Bootstrap float64 `json:"bootstrap"`
	Reconcile float64 `json:"reconcile"`
	Teardown  float64 `json:"teardown"`
	// BootParts are the times of the parts of Boot, some of which run at the same time, and go on after it.
	// Absent if the tier has no parts.
	BootParts map[string]float64 `json:"bootParts,omitempty"`
}

// Total is the sum of all phases, in seconds.
func (t Timings) Total() float64 {
	return t.Engine + t.Boot + t.Bootstrap + t.Reconcile + t.Teardown
}

// Layer is what became of one Kustomization.
type Layer struct {
	Name      string   `json:"name"`
	Namespace string   `json:"namespace"`
	Path      string   `json:"path"`
	DependsOn []string `json:"dependsOn"`
	// Status is reconciled, failed, blocked or unreachable.
	Status  verdict.Status `json:"status"`
	Message string         `json:"message,omitempty"`
	// Suspended is true if the repo itself suspends the layer, or one that declares it.
	Suspended bool `json:"suspended,omitempty"`
	// Accepted is true if the layer failed, and .seatrial.yaml accepts each error about it.
	Accepted bool `json:"accepted,omitempty"`
	// Seconds from the end of the bootstrap until the layer was reconciled, or until
	// the verdict.
	Seconds float64 `json:"seconds"`
	// Objects in its inventory.
	Objects  int               `json:"objects"`
	Findings []finding.Finding `json:"findings"`
}

// LayerOf makes the record of a layer's outcome.
func LayerOf(o verdict.Outcome) Layer {
	l := Layer{
		Name: o.Name, Namespace: o.Namespace, Path: o.Path, DependsOn: []string{}, Status: o.Status, Suspended: o.Suspended, Accepted: o.Accepted,
		Seconds: math.Round(o.Seconds*100) / 100, Objects: o.Objects, Findings: o.Findings,
	}
	if o.Status != verdict.Reconciled {
		l.Message = o.Message
	}
	for _, d := range o.DependsOn {
		l.DependsOn = append(l.DependsOn, d.Name)
	}
	return l
}

// Bootstrapped is a file that flux bootstrap committed on top of the rehearsed tree.
type Bootstrapped struct {
	File      string `json:"file"`
	Original  string `json:"original,omitempty"`  // hash of the blob in the repo; empty if the repo lacks the file
	Rehearsed string `json:"rehearsed,omitempty"` // hash of the blob that was rehearsed
}

// title tells a layer apart from the report's others: its name or, where several have it, namespace/name.
func (r *Report) title(l Layer) string {
	if slices.ContainsFunc(r.Layers, func(o Layer) bool { return o.Name == l.Name && o.Namespace != l.Namespace }) {
		return l.Namespace + "/" + l.Name
	}
	return l.Name
}

// Reconciled says whether the layer passed.
func (l Layer) Reconciled() bool { return l.Status == verdict.Reconciled }

// Source is a Git or OCI repository that was fetched, or a chart of a Helm repository.
type Source struct {
	Kind   string `json:"kind"`
	Object string `json:"object"` // namespace/name
	URL    string `json:"url"`
	// Chart is the name of the chart.
	Chart string `json:"chart,omitempty"`
	// Tag is the tag that the repo follows, or the version of the chart that was taken.
	Tag string `json:"tag,omitempty"`
	// Revision is what it was at, as Flux reports it: tag@sha256:… or branch@sha1:…; of a chart,
	// its version and the digest of its archive.
	Revision string `json:"revision"`
}

// Demand is what a repo asks of its cluster, added up when all layers had come to their end.
type Demand struct {
	Pods int `json:"pods"`
	// CPU and Memory are the sums of the pods' requests, as Kubernetes writes quantities.
	CPU    string `json:"cpu"`
	Memory string `json:"memory"`
	// LoadBalancers are Services of that type, as namespace/name.
	LoadBalancers []string `json:"loadBalancers,omitempty"`
	// StorageClasses are those that claims name; "" is the cluster's default.
	StorageClasses []string `json:"storageClasses,omitempty"`
}

// StandIn is a source that a stand-in replaced.
type StandIn struct {
	Kind     string   `json:"kind"`
	Upstream string   `json:"upstream"`
	Serves   []string `json:"serves"`
	Digest   string   `json:"digest,omitempty"` // of the stand-ins
}

// Rekeyed is a SOPS file that was rehearsed with placeholder values.
type Rekeyed struct {
	File      string `json:"file"`
	Original  string `json:"original"`  // sha256 of the file in the repo
	Rehearsed string `json:"rehearsed"` // sha256 of the file that was rehearsed
}

// Reconciled counts the layers that passed.
func (r *Report) Reconciled() int {
	n := 0
	for _, l := range r.Layers {
		if l.Reconciled() {
			n++
		}
	}
	return n
}

// Conceal passes the report's free text through f, which takes secret values out. What
// programs rely on (verdict, statuses, names of layers and files, hashes) is not free text.
func (r *Report) Conceal(f func(string) string) {
	finding.Conceal(r.Findings, f)
	for i := range r.Layers {
		r.Layers[i].Message = f(r.Layers[i].Message)
		finding.Conceal(r.Layers[i].Findings, f)
	}
	for i := range r.BlindSpots {
		r.BlindSpots[i].Message = f(r.BlindSpots[i].Message)
	}
	for i := range r.Sources {
		r.Sources[i].URL = f(r.Sources[i].URL)
	}
	for i := range r.Egress {
		r.Egress[i].URL, r.Egress[i].Why, r.Egress[i].Instead = f(r.Egress[i].URL), f(r.Egress[i].Why), f(r.Egress[i].Instead)
	}
	for i := range r.StandIns {
		r.StandIns[i].Upstream = f(r.StandIns[i].Upstream)
	}
}

// WriteJSON writes the report as indented JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}
