package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/prose"
	"seatrial.dev/seatrial/internal/verdict"
)

// ListKind is the kind of a record of several clusters' rehearsals.
const ListKind = "ReportList"

// List is the record of the rehearsals of a repo's clusters, one after the other.
type List struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Verdict is the worst of all.
	Verdict verdict.Verdict `json:"verdict"`
	Items   []*Report       `json:"items"`
}

// NewList makes the record of the clusters over some folders, in that order. One without a report was not rehearsed: that is
// inconclusive at best.
func NewList(paths []string, reports []*Report) *List {
	var all []*Report
	for _, p := range paths {
		i := slices.IndexFunc(reports, func(r *Report) bool { return cmp.Or(r.Path, ".") == p })
		if i >= 0 {
			all = append(all, reports[i])
			continue
		}
		r := New("", nil)
		r.Path, r.Verdict = p, verdict.Inconclusive
		r.Findings = []finding.Finding{{
			Code: finding.NotReconciled, Severity: finding.Error, Message: "the cluster over " + p + " could not be rehearsed", Fix: "see what the command says of it",
		}}
		all = append(all, r)
	}
	l := &List{APIVersion: APIVersion, Kind: ListKind, Verdict: verdict.Pass, Items: all}
	for _, r := range all {
		if r.Verdict.Worse(l.Verdict) {
			l.Verdict = r.Verdict
		}
	}
	return l
}

// WriteJSON writes the record as JSON.
func (l *List) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(l)
}

// Summary is the last line for a person.
func (l *List) Summary() string {
	layers, reconciled, errs, seconds := 0, 0, 0, 0.0
	var each []string
	for _, r := range l.Items {
		layers, reconciled, errs, seconds = layers+len(r.Layers), reconciled+r.Reconciled(), errs+finding.Errors(r.Findings), seconds+r.Timings.Total()
		each = append(each, fmt.Sprintf("%s %s", cmp.Or(r.Path, "."), r.Verdict))
	}
	return fmt.Sprintf("Summary: %s: %s (%s); %d of %s reconciled, %s; %.1fs\n",
		l.Verdict, prose.Count(len(l.Items), "cluster"), strings.Join(each, ", "), reconciled, prose.Count(layers, "layer"), prose.Count(errs, "error"), seconds)
}

// WriteText writes each report for a person, and a summary of all at the end.
func (l *List) WriteText(w io.Writer, timings bool) error {
	for _, r := range l.Items {
		if err := r.WriteText(w, timings); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%s", l.Summary())
	return err
}

// WriteMarkdown writes each report as a CI system shows it.
func (l *List) WriteMarkdown(w io.Writer) error {
	for _, r := range l.Items {
		if err := r.WriteMarkdown(w); err != nil {
			return err
		}
	}
	return nil
}

// WriteJUnit writes the suites of all reports.
func (l *List) WriteJUnit(w io.Writer) error {
	all, total := junit.Testsuites{Name: "seatrial"}, 0.0
	for _, r := range l.Items {
		for _, s := range r.suites() {
			s.Name = r.Path + " " + s.Name
			all.AddSuite(s)
		}
		total += r.Timings.Total()
	}
	all.Time = seconds(total)
	return all.WriteXML(w)
}

// WriteFile writes the record to a file, in the format of the file's extension.
func (l *List) WriteFile(name string) error {
	f, err := formatOf(name)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := f.writeList(l, &b); err != nil {
		return err
	}
	return save(name, b.Bytes())
}

func save(name string, b []byte) error {
	if err := os.WriteFile(name, b, 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
