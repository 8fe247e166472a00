package report

import (
	"fmt"
	"io"
	"strings"

	"seatrial.dev/seatrial/internal/prose"
	"seatrial.dev/seatrial/internal/verdict"
)

// WriteMarkdown writes the report as a CI system shows it beside a job or a
// pull request.
func (r *Report) WriteMarkdown(w io.Writer) error {
	p := &printer{w: w}
	mark := map[verdict.Verdict]string{verdict.Pass: "✅", verdict.PassAccepted: "☑️", verdict.Fail: "❌", verdict.Inconclusive: "⚠️"}[r.Verdict]
	p.f("## %s Seatrial: %s\n\n", mark, r.Verdict)
	p.f("%d of %s of `%s` reconciled%s at `%.12s` (tree `%.12s`, tier %s, %.0f s).\n\n",
		r.Reconciled(), prose.Count(len(r.Layers), "layer"), r.Path, r.failedAccepted(), r.Revision, r.Tree, r.Tier, r.Timings.Total())
	p.f("| | layer | status | objects | seconds |\n|---|---|---|---:|---:|\n")
	for _, l := range r.Layers {
		mark := "✅"
		switch {
		case l.Reconciled():
		case l.Suspended:
			mark = "⏸"
		case l.Accepted:
			mark = "☑️"
		default:
			mark = "❌"
		}
		status := l.status()
		if l.Message != "" {
			status += ": " + prose.Brief(l.Message, width)
		}
		p.f("| %s | %s | %s | %d | %.1f |\n", mark, cell(r.title(l)), cell(status), l.Objects, l.Seconds)
	}
	for _, f := range r.Findings {
		p.f("\n### %s: `%s`\n\n", kind(f), f.Code)
		until := ""
		if f.Excused() {
			until = "until " + f.Accepted.Until + ": " + f.Accepted.Reason
		}
		for _, row := range [][2]string{{"layer", f.Layer}, {"at", f.Where()}, {"object", f.Object}, {"problem", f.Message}, {"fix", f.Fix}, {"accepted", until}} {
			if row[1] != "" {
				p.f("- **%s**: %s\n", row[0], cell(row[1]))
			}
		}
		if f.Evidence != "" {
			p.f("\n%s\n", fenced(f.Evidence))
		}
	}
	p.details("Stand-ins (served in place of the real source)", len(r.StandIns), func(i int) string {
		return r.StandIns[i].Upstream + ": " + strings.Join(r.StandIns[i].Serves, ", ")
	})
	real, unreached := realSources(r.Egress), outOfReach(r.Egress)
	p.details(realTitle, len(real), func(i int) string { return real[i] })
	p.details(unreachTitle, len(unreached), func(i int) string { return unreached[i] })
	p.details("Blind spots (what this tier can't see of this repo)", len(r.BlindSpots), func(i int) string { return r.BlindSpots[i].Message })
	return p.err
}

// details writes a list that is collapsed until it is opened.
func (p *printer) details(title string, n int, line func(int) string) {
	if n == 0 {
		return
	}
	p.f("\n<details><summary>%s</summary>\n\n", title)
	for i := range n {
		p.f("- %s\n", cell(line(i)))
	}
	p.f("\n</details>\n")
}

// cell makes a text safe for a table cell or list entry: one line, without markup.
func cell(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "`", "'").Replace(s)
}

// fenced wraps text in a fence that is longer than any in it.
func fenced(s string) string {
	fence := "```"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	return fmt.Sprintf("%s\n%s\n%s", fence, strings.TrimSpace(s), fence)
}
