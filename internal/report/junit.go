package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/prose"
	"seatrial.dev/seatrial/internal/verdict"
)

// WriteJUnit writes the report as JUnit XML: a test case for each layer, and one for
// the verdict, which holds the findings that belong to no layer, too.
func (r *Report) WriteJUnit(w io.Writer) error {
	all := junit.Testsuites{Name: "seatrial", Time: seconds(r.Timings.Total())}
	for _, s := range r.suites() {
		all.AddSuite(s)
	}
	return all.WriteXML(w)
}

// suites are the layers', and the verdict's.
func (r *Report) suites() []junit.Testsuite {
	layers := junit.Testsuite{Name: "layers", Time: seconds(r.Timings.Reconcile)}
	layers.AddProperty("tier", r.Tier)
	layers.AddProperty("revision", r.Revision)
	layers.AddProperty("tree", r.Tree)
	for _, l := range r.Layers {
		c := junit.Testcase{Name: r.title(l), Classname: r.Path, Time: seconds(l.Seconds)}
		switch {
		case l.Reconciled():
		case l.Accepted: // it did not pass, and is to fail no build
			c.Skipped = &junit.Result{Message: l.status() + ": " + prose.Brief(l.Message, width), Data: text(l.Message, l.Findings)}
		case l.Suspended:
			c.Skipped = &junit.Result{Message: string(l.Status) + ": " + prose.Brief(l.Message, width)}
		default:
			c.Failure = &junit.Result{Message: string(l.Status) + ": " + prose.Brief(l.Message, width), Type: string(l.Status), Data: text(l.Message, l.Findings)}
		}
		layers.AddTestcase(c)
	}
	rehearsal := junit.Testsuite{Name: "rehearsal", Time: seconds(r.Timings.Total())}
	decision := junit.Testcase{Name: "verdict", Classname: r.Path, Time: seconds(r.Timings.Total())}
	switch r.Verdict {
	case verdict.Pass:
	case verdict.PassAccepted:
		decision.SystemOut = &junit.Output{Data: text(string(r.Verdict), accepted(r.Findings))}
	default:
		result := &junit.Result{Message: string(r.Verdict), Type: string(r.Verdict), Data: text("", r.Findings)}
		if r.Verdict == verdict.Inconclusive {
			decision.Error = result // the machine's fault, not the repo's
		} else {
			decision.Failure = result
		}
	}
	rehearsal.AddTestcase(decision)
	return []junit.Testsuite{layers, rehearsal}
}

func text(message string, findings []finding.Finding) string {
	var b strings.Builder
	if message != "" {
		b.WriteString(message + "\n")
	}
	WriteFindings(&b, findings)
	return b.String()
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }
