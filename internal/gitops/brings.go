package gitops

import (
	"slices"

	"seatrial.dev/seatrial/internal/kinds"
)

// Brings says whether a chart, by its name, installs the CRDs of an API group: as the releases that take it have
// it or, if no layer has one, as it is known to.
func (r *Repo) Brings(chart, group string) bool {
	taken := false
	for _, l := range r.Layers {
		for _, p := range l.Providers() {
			if p.Name() != chart {
				continue
			}
			taken = true
			if _, does := p.Brings(group); does {
				return true
			}
		}
	}
	if taken {
		return false // its values, or the release, leave them out
	}
	brings, _ := kinds.OfChart(chart)
	return slices.ContainsFunc(brings, func(p kinds.Provision) bool { return p.Brings(group) })
}

// TargetNamespace is the namespace that the layer puts all its objects into; "" if it does not.
func (l *Layer) TargetNamespace() string { return nested(l.spec, "targetNamespace") }
