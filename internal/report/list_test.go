package report

import (
	"bytes"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/verdict"
)

// The worst counts, and a cluster without a report is never a pass, in any format.
func TestList(t *testing.T) {
	report := func(path string, v verdict.Verdict) *Report {
		r := New("embedded", nil)
		r.Path, r.Verdict = path, v
		return r
	}
	for _, c := range []struct {
		paths   []string
		reports []*Report
		want    verdict.Verdict
	}{
		{[]string{"a", "b"}, []*Report{report("b", verdict.Pass), report("a", verdict.Pass)}, verdict.Pass},
		{[]string{"a", "b"}, []*Report{report("b", verdict.Fail), report("a", verdict.Inconclusive)}, verdict.Fail},
		{[]string{"a", "b"}, []*Report{report("a", verdict.Pass)}, verdict.Inconclusive},
		{[]string{".", "b"}, []*Report{report("", verdict.Pass), report("b", verdict.Pass)}, verdict.Pass},
	} {
		l := NewList(c.paths, c.reports)
		if l.Verdict != c.want || len(l.Items) != len(c.paths) {
			t.Errorf("%v: got %s of %d", c.paths, l.Verdict, len(l.Items))
		}
	}
	l := NewList([]string{"a", "b"}, []*Report{report("a", verdict.Pass)})
	var text, xml, md bytes.Buffer
	if err := l.WriteText(&text, false); err != nil || !strings.Contains(text.String(), "Summary: inconclusive: 2 clusters (a pass, b inconclusive)") || !strings.Contains(text.String(), "the cluster over b could not be rehearsed") {
		t.Errorf("%v\n%s", err, text.String())
	}
	if err := l.WriteJUnit(&xml); err != nil || !strings.Contains(xml.String(), `name="b rehearsal" tests="1" failures="0" errors="1"`) {
		t.Errorf("%v\n%s", err, xml.String())
	}
	if err := l.WriteMarkdown(&md); err != nil || strings.Count(md.String(), "## ") < 2 || !strings.Contains(md.String(), "inconclusive") {
		t.Errorf("%v\n%s", err, md.String())
	}
}
