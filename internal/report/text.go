package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/prose"
	"seatrial.dev/seatrial/internal/timing"
	"seatrial.dev/seatrial/internal/verdict"
)

// width is how many characters of a layer's message are shown.
const width = 100

// WriteText writes the report for a person, with the critical path if timings is set. Its
// last line starts with "Summary:", so that grep can find it.
func (r *Report) WriteText(w io.Writer, timings bool) error {
	p := &printer{w: w}
	p.f("\nLayers of %s at %.12s (%s)\n", r.Path, r.Revision, r.Origin)
	name, status := 0, len(verdict.Unreachable)
	for _, l := range r.Layers {
		name, status = max(name, len(l.Name)), max(status, len(l.status()))
	}
	for _, l := range r.Layers {
		p.f("  %-*s  %-*s %6.1fs  %11s", name, r.title(l), status, l.status(), l.Seconds, prose.Count(l.Objects, "object"))
		if l.Message != "" {
			p.f("  %s", prose.Brief(l.Message, width))
		}
		p.f("\n")
	}
	WriteFindings(w, r.Findings)
	if len(r.StandIns) > 0 {
		p.f("\nStand-ins (served locally in place of the real source)\n")
		for _, s := range r.StandIns {
			p.f("  %s: %s", s.Upstream, strings.Join(s.Serves, ", "))
			if why := egress.InsteadOf(r.Egress, s.Upstream); why != "" && !strings.Contains(why, "--sources stand-in") {
				p.f(" (%s)", why)
			}
			p.f("\n")
		}
	}
	p.outside(r.Egress)
	if len(r.BlindSpots) > 0 {
		p.f("\nBlind spots (what this tier can't see of this repo)\n")
		for _, s := range r.BlindSpots {
			p.f("  %s\n", s.Message)
		}
	}
	if timings {
		p.path(r.CriticalPath)
	}
	t := r.Timings
	p.f("\nSummary: %s: %d of %s reconciled%s, %s; tier %s%s; engine %.1fs, boot %.1fs, bootstrap %.1fs, reconcile %.1fs\n",
		r.Verdict, r.Reconciled(), prose.Count(len(r.Layers), "layer"), r.failedAccepted(), Counts(r.Findings),
		r.Tier, sourcesIn(r.Egress), t.Engine, t.Boot, t.Bootstrap, t.Reconcile)
	return p.err
}

// titles say where a real source was taken from.
var titles = []struct {
	origin egress.Origin
	title  string
}{
	{egress.Upstream, "live"}, {egress.Tunnel, "live, over TLS of the repo's own"}, {egress.Cache, "from the cache"}, {egress.Vendor, "from the vendor folder"},
}

// realSources are lines about the sources that were not stand-ins.
func realSources(all []egress.Answer) []string {
	var out []string
	by, instead := egress.Sources(all), egress.Instead(all)
	for _, t := range titles {
		for _, source := range by[t.origin] {
			line := source + ": " + t.title
			if why := instead[source]; why != "" {
				line += " (" + why + ")"
			}
			out = append(out, line)
		}
	}
	return out
}

// outOfReach are lines about what nobody answered.
func outOfReach(all []egress.Answer) []string {
	var out []string
	for _, a := range all {
		if a.Origin == egress.Refused {
			out = append(out, a.String())
		}
	}
	return out
}

const (
	realTitle    = "Sources (real ones)"
	unreachTitle = "Out of reach (asked for by the cluster, and answered by nobody)"
)

// outside writes where sources outside of the repo were taken from, but for stand-ins.
func (p *printer) outside(all []egress.Answer) {
	list := func(title string, lines []string) {
		if len(lines) > 0 {
			p.f("\n%s\n  %s\n", title, strings.Join(lines, "\n  "))
		}
	}
	list(realTitle, realSources(all))
	list(unreachTitle, outOfReach(all))
}

// sourcesIn counts sources by where they were taken from, for the summary.
func sourcesIn(all []egress.Answer) string {
	by := egress.Sources(all)
	var out []string
	add := func(what string, origins ...egress.Origin) {
		n := 0
		for _, o := range origins {
			n += len(by[o])
		}
		if n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, what))
		}
	}
	add("live", egress.Upstream, egress.Tunnel)
	add("cached", egress.Cache)
	add("vendored", egress.Vendor)
	add("stand-in", egress.StoodIn)
	add("out of reach", egress.Refused)
	if len(out) == 0 {
		return ""
	}
	return "; sources " + strings.Join(out, ", ")
}

// path writes the critical path, and how much of it was whose.
func (p *printer) path(spans []timing.Span) {
	total, of := 0.0, map[string]float64{}
	for _, s := range spans {
		total += s.Seconds
		of[s.Of] += s.Seconds
	}
	p.f("\nCritical path (%.1fs: each step waited for the one before)\n", total)
	at := 0.0
	for _, s := range spans {
		p.f("  %6.2fs  %6.2fs  %-20s  %s\n", at, s.Seconds, s.Of, prose.Brief(s.What, width))
		at += s.Seconds
	}
	var shares []string
	for _, name := range slices.SortedFunc(maps.Keys(of), func(a, b string) int { return cmp.Or(cmp.Compare(of[b], of[a]), cmp.Compare(a, b)) }) {
		shares = append(shares, fmt.Sprintf("%s %.1fs", name, of[name]))
	}
	p.f("  whose time: %s\n", strings.Join(shares, ", "))
}

// WriteFindings writes findings for a person, in the given order.
func WriteFindings(w io.Writer, all []finding.Finding) {
	p := &printer{w: w}
	for _, f := range all {
		p.f("\n%s: %s", kind(f), f.Code)
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
		if f.Excused() {
			p.f("  accepted until %s: %s\n", f.Accepted.Until, strings.Join(strings.Fields(f.Accepted.Reason), " "))
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
