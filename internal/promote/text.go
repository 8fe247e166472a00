package promote

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/prose"
	"seatrial.dev/seatrial/internal/report"
)

// WriteJSON writes the record as indented JSON.
func (r *Result) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// shown is how many entries of a list a person is shown.
const shown = 20

// WriteText writes the record for a person: what is in the way, then the plan, then what became of
// it. The last line starts with "Summary:".
func (r *Result) WriteText(w io.Writer) error {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("\nPromotion of %.12s (tree %.12s) to %s\n", r.Commit, r.Tree, r.Target)
	if e := r.Evidence; e != nil {
		by := "without a signature"
		if e.SignedBy != "" {
			by = fmt.Sprintf("signed by key %.12s", e.SignedBy)
		}
		p("  evidence  rehearsed on tier %s at %s, %s; accepted: %s, %s, %s, %s, %s\n", e.Tier, e.Finished.Format("2006-01-02 15:04 MST"), by,
			prose.Count(e.StandIns, "stand-in"), prose.Count(len(e.Assumptions), "assumption"), prose.Count(e.Rekeyed, "re-keyed file"), prose.Count(highSpots(e.BlindSpots), "high blind spot"), prose.Count(len(e.Accepted), "error"))
	}
	if r.PolicyChanges {
		p("  policy    this tree changes it: the one in force holds as well, and what is promoted holds from the next time on\n")
	}
	if r.Plan != nil {
		r.Plan.text(p)
	}
	for _, reason := range r.Reasons {
		p("\nrefused: %s\n  fix      %s\n", reason.What, reason.Fix)
	}
	if err := write(w, &b); err != nil {
		return err
	}
	report.WriteFindings(w, r.Preflight)
	for i, one := range []*report.Report{r.Report, r.Again} {
		if one == nil {
			continue
		}
		p("\n%s\n", []string{"The cluster's layers", "The cluster's layers after the way back"}[i])
		if err := write(w, &b); err != nil {
			return err
		}
		if err := one.WriteText(w, false); err != nil {
			return err
		}
	}
	if len(r.Next) > 0 {
		p("\nNext\n")
	}
	for _, next := range r.Next {
		p("  %s\n", next)
	}
	p("\nSummary: %s: %s", r.Outcome, r.says())
	p("\n")
	return write(w, &b)
}

// says is the outcome in a few words.
func (r *Result) says() string {
	errs := finding.Errors(r.Preflight)
	switch r.Outcome {
	case Refused:
		return fmt.Sprintf("%s, %s of the cluster that are in the way; nothing was delivered", prose.Count(len(r.Reasons), "reason"), prose.Count(errs, "difference"))
	case Planned:
		files := prose.Count(len(r.Plan.Files), "file")
		if r.Plan.First {
			files = "all files"
		}
		return fmt.Sprintf("%s, %s with changes, %s; a dry run: nothing was delivered", files, prose.Count(len(r.Plan.Layers), "layer"), prose.Count(len(r.Preflight), "warning"))
	case Delivered:
		return fmt.Sprintf("%.12s was delivered to %s, and not watched to the end", r.Commit, r.Target)
	case Requested:
		return r.Request
	case RolledBack:
		return fmt.Sprintf("%s did not reconcile at %.12s; it has the files of before again (%.12s)", r.Target, r.Delivered, r.Back)
	case Failed:
		return fmt.Sprintf("%s did not reconcile at %.12s", r.Target, r.Delivered)
	}
	return fmt.Sprintf("%s reconciled at %.12s", r.Target, r.Delivered)
}

func write(w io.Writer, b *bytes.Buffer) error {
	_, err := io.WriteString(w, prose.Printable(b.String()))
	b.Reset()
	return err
}

func highSpots(all []finding.BlindSpot) int {
	n := 0
	for _, b := range all {
		if b.Severity == finding.High {
			n++
		}
	}
	return n
}

func (l *Plan) text(p func(string, ...any)) {
	if l.Bootstrap {
		p("  bootstrap the cluster does not sync the repo yet: Flux is bootstrapped on it\n")
	}
	if l.First {
		p("  remote    it has no such branch yet: all files are new\n")
	}
	if len(l.Commits) > 0 {
		p("\n%s\n", prose.Count(len(l.Commits), "commit"))
	}
	for i, c := range l.Commits {
		if i == shown {
			p("  … and %d more\n", len(l.Commits)-i)
			break
		}
		p("  %.12s %s\n", c.Commit, prose.Brief(c.Text, 80))
	}
	if len(l.Files) > 0 {
		p("\n%s\n", prose.Count(len(l.Files), "file"))
	}
	for i, f := range l.Files {
		if i == shown {
			p("  … and %d more\n", len(l.Files)-i)
			break
		}
		p("  %s %s\n", f.How, f.File)
	}
	if len(l.Layers) == 0 {
		p("  layers    no layer changes\n")
		return
	}
	p("\n%s with changes\n", prose.Count(len(l.Layers), "layer"))
	for _, c := range l.Layers {
		mark := map[bool]string{true: " (new)"}[c.New] + map[bool]string{true: " (goes)"}[c.Removed]
		p("  %s%s\n", c.Layer, mark)
		for _, list := range []struct {
			what string
			of   []string
		}{{"pruned", c.Pruned}, {"left", c.Left}, {"moved", c.Moved}, {"changed", c.Changed}, {"added", c.Added}} {
			if len(list.of) > 0 {
				p("    %-8s %s\n", list.what, some(list.of))
			}
		}
	}
}

// some lists the first of many.
func some(all []string) string {
	const few = 8
	if len(all) <= few {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s … and %d more", strings.Join(all[:few], ", "), len(all)-few)
}

// Markdown is the record as the body of a request, failures first, cut to limit bytes.
func (r *Result) Markdown(limit int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "**Promotion to %s**: `%.12s` (tree `%.12s`)\n\n", r.Target, r.Commit, r.Tree)
	for _, f := range r.Preflight {
		fmt.Fprintf(&b, "- **%s** %s: %s", f.Severity, f.Code, escape(f.Message))
		if f.Fix != "" {
			fmt.Fprintf(&b, " — %s", escape(f.Fix))
		}
		b.WriteString("\n")
	}
	if e := r.Evidence; e != nil {
		fmt.Fprintf(&b, "\nRehearsed on tier %s at %s: %s.\n", e.Tier, e.Finished.Format("2006-01-02 15:04 MST"), e.outcome())
		for _, a := range e.Accepted {
			fmt.Fprintf(&b, "- accepted until %s: %s of %s: %s\n", a.Until, a.Code, escape(a.Object), escape(a.Reason))
		}
		for _, a := range e.Assumptions {
			fmt.Fprintf(&b, "- taken for granted: %s\n", escape(a))
		}
		for _, spot := range e.BlindSpots {
			fmt.Fprintf(&b, "- blind spot %s (%s): %s\n", spot.Code, spot.Severity, escape(spot.Message))
		}
	}
	if r.Plan != nil {
		b.WriteString("\n```text\n")
		r.Plan.text(func(format string, args ...any) {
			b.WriteString(strings.ReplaceAll(prose.Printable(fmt.Sprintf(format, args...)), "```", "'''"))
		})
		b.WriteString("```\n")
	}
	text := b.String()
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}

// escape keeps a text from being read as Markdown or HTML.
func escape(text string) string {
	return strings.NewReplacer("<", "&lt;", "|", "\\|", "`", "'", "\n", " ", "@", "@\u200b").Replace(prose.Printable(text))
}
