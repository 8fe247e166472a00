package report

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"seatrial.dev/seatrial/internal/finding"
)

// WriteText writes the report for a person. Its last line starts with
// "Summary:" and is meant to be found by grep.
func (r *Report) WriteText(w io.Writer) error {
	p := &printer{w: w}
	p.f("\nLayers of %s at %.12s (%s)\n", r.Path, r.Revision, r.Origin)
	width := 0
	for _, l := range r.Layers {
		width = max(width, len(l.Name))
	}
	for _, l := range r.Layers {
		p.f("  %-*s  %-11s %6.1fs  %3d objects", width, l.Name, l.Status, l.Seconds, l.Objects)
		if l.Message != "" {
			p.f("  %s", brief(l.Message))
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
	t := r.Timings
	p.f("\nSummary: %s: %d of %d layers reconciled, %d errors, %d warnings; tier %s; engine %.1fs, boot %.1fs, bootstrap %.1fs, reconcile %.1fs\n",
		r.Verdict, r.reconciled(), len(r.Layers), finding.Errors(r.Findings), len(r.Findings)-finding.Errors(r.Findings),
		r.Tier, t.Engine, t.Boot, t.Bootstrap, t.Reconcile)
	return p.err
}

// WriteFindings writes findings for a person, errors first.
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

func brief(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if r := []rune(s); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return s
}

// printer remembers the first error of many writes.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) f(format string, args ...any) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, Printable(fmt.Sprintf(format, args...)))
	}
}

// Printable is a text in which nothing acts on a terminal: characters that are
// not printed, but for tabs and line breaks, and bytes that are not text are written out.
func Printable(s string) string {
	clean := func(r rune) bool { return r == '\n' || r == '\t' || unicode.IsPrint(r) }
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !clean(r) }) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && s[i] != "\uFFFD"[0]:
			fmt.Fprintf(&b, "\\x%02x", s[i])
		case clean(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}
