// Package timing is the record of where a rehearsal's time went: its critical path, as
// spans that follow each other without gaps.
package timing

import "time"

// Who a span's time belongs to.
const (
	Ours       = "seatrial"
	APIServer  = "control plane"
	Source     = "source-controller"
	Watcher    = "source-watcher"
	Kustomize  = "kustomize-controller"
	Helm       = "helm-controller"
	Kapp       = "kapp-controller"
	Flux       = "flux"
	Kubernetes = "kubernetes" // its controllers, and the kubelet or who plays it
)

// Span is a part of a rehearsal that the verdict had to wait for.
type Span struct {
	// What was waited for, for a person.
	What string `json:"what"`
	// Of names whose time it was: one of the constants above.
	Of string `json:"of"`
	// Seconds of wall-clock time.
	Seconds float64 `json:"seconds"`
}

// Path is a series of spans that follow each other.
type Path struct {
	spans []Span
	last  time.Time
}

// Begin starts a path at a time.
func Begin(at time.Time) *Path { return &Path{last: at} }

// Until adds a span from the end of the one before until at. A span that ends before it
// begins is left out.
func (p *Path) Until(at time.Time, what, of string) {
	if !at.After(p.last) {
		return
	}
	p.spans = append(p.spans, Span{What: what, Of: of, Seconds: at.Sub(p.last).Seconds()})
	p.last = at
}

// Join adds spans that lead from the end of the one before until at.
func (p *Path) Join(spans []Span, at time.Time) {
	p.spans, p.last = append(p.spans, spans...), at
}

// Spans are those of the path so far.
func (p *Path) Spans() []Span { return p.spans }
