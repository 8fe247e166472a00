package check

import (
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// cycles finds layers that wait for each other for ever.
func cycles(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	for _, circle := range r.Cycles() {
		for i, l := range circle {
			next := circle[(i+1)%len(circle)]
			f := on(l, finding.DependencyCycle)
			for _, d := range l.DependsOn {
				if d.Ref == next.Ref {
					f.Line = d.Line
				}
			}
			f.Message = "dependsOn goes round in a circle: " + gitops.Circle(circle)
			f.Fix = "remove one dependsOn of the circle"
			out = append(out, f)
		}
	}
	return out
}
