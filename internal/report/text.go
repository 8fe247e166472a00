package report

import (
	"fmt"
	"io"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/prose"
)

// width is how many characters of a layer's message are shown.
const width = 100

// WriteText writes the report for a person. Its last line starts with "Summary:", so
// that grep can find it.
func (r *Report) WriteText(w io.Writer) error {
	p := &printer{w: w}
	p.f("\nLayers of %s at %.12s (%s)\n", r.Path, r.Revision, r.Origin)
	name := 0
	for _, l := range r.Layers {
		name = max(name, len(l.Name))
	}
	for _, l := range r.Layers {
		p.f("  %-*s  %-11s %6.1fs  %11s", name, l.Name, l.Status, l.Seconds, prose.Count(l.Objects, "object"))
		if l.Message != "" {
			p.f("  %s", prose.Brief(l.Message, width))
		}
		p.f("\n")
	}
	WriteFindings(w, r.Findings)
	if len(r.StandIns) > 0 {
		p.f("\nStand-ins (served locally in place of the real source)\n")
		for _, s := range r.StandIns {
			p.f("  %s: %s\n", s.Upstream, strings.Join(s.Serves, ", "))
		}
	}
	if len(r.BlindSpots) > 0 {
		p.f("\nBlind spots (what this tier can't see of this repo)\n")
		for _, s := range r.BlindSpots {
			p.f("  %s\n", s)
		}
	}
	t, errs := r.Timings, finding.Errors(r.Findings)
	p.f("\nSummary: %s: %d of %s reconciled, %s, %s; tier %s; engine %.1fs, boot %.1fs, bootstrap %.1fs, reconcile %.1fs\n",
		r.Verdict, r.reconciled(), prose.Count(len(r.Layers), "layer"), prose.Count(errs, "error"), prose.Count(len(r.Findings)-errs, "warning"),
		r.Tier, t.Engine, t.Boot, t.Bootstrap, t.Reconcile)
	return p.err
}

// WriteFindings writes findings for a person, in the given order.
func WriteFindings(w io.Writer, all []finding.Finding) {
	p := &printer{w: w}
	for _, f := range all {
		p.f("\n%s: %s", f.Severity, f.Code)
		if f.Layer != "" {
			p.f(" in layer %s", f.Layer)
		}
		p.f("\n")
		if where := f.Where(); where != "" {
			p.f("  at       %s\n", where)
		}
		if f.Object != "" {
			p.f("  object   %s\n", f.Object)
		}
		p.f("  problem  %s\n", f.Message)
		if f.Fix != "" {
			p.f("  fix      %s\n", f.Fix)
		}
		if f.Evidence != "" {
			p.f("  evidence %s\n", strings.ReplaceAll(strings.TrimSpace(f.Evidence), "\n", "\n           "))
		}
	}
}

// printer remembers the first error of many writes.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) f(format string, args ...any) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, prose.Printable(fmt.Sprintf(format, args...)))
	}
}
