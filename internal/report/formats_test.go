package report

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/verdict"
)

func sample(v verdict.Verdict) *Report {
	f := finding.Finding{
		Code: finding.PackageFailed, Severity: finding.Error, Layer: "kapp", Object: "PackageInstall/a/b", File: "kapp.yaml", Line: 3,
		Message: "it | <failed>", Fix: "mend `it`", Evidence: "said ```\nno",
	}
	r := &Report{Verdict: v, Tier: "embedded", Path: "clusters/a", Revision: "0123456789abcdef", Layers: []Layer{
		{Name: "namespaces", Status: "reconciled", Seconds: 1.5, Objects: 2},
		{Name: "kapp", Status: "failed", Message: "broke\nbadly", Findings: []finding.Finding{f}},
		{Name: "kapp-post", Status: "blocked", Message: "waits for kapp"},
	}, Findings: []finding.Finding{f}, BlindSpots: []finding.BlindSpot{finding.Unseen(finding.PodsSimulated, "pods")}, Timings: Timings{Reconcile: 2}}
	if v == verdict.Pass {
		r.Layers, r.Findings = r.Layers[:1], nil
	}
	return r
}

func TestJUnit(t *testing.T) {
	for v, want := range map[verdict.Verdict]struct{ tests, failures, errors int }{
		verdict.Pass: {2, 0, 0}, verdict.Fail: {4, 3, 0}, verdict.Inconclusive: {4, 2, 1},
	} {
		var b bytes.Buffer
		if err := sample(v).WriteJUnit(&b); err != nil {
			t.Fatal(err)
		}
		var got junit.Testsuites
		if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.Tests != want.tests || got.Failures != want.failures || got.Errors != want.errors {
			t.Errorf("%s: %d tests, %d failures, %d errors, want %+v\n%s", v, got.Tests, got.Failures, got.Errors, want, b.String())
		}
		if v == verdict.Fail && !strings.Contains(b.String(), "kapp.yaml:3") {
			t.Errorf("the failure does not say where\n%s", b.String())
		}
	}
}

func TestMarkdown(t *testing.T) {
	var b bytes.Buffer
	if err := sample(verdict.Fail).WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"## ❌ Seatrial: fail", "1 of 3 layers", "| ❌ | kapp | failed: broke | 0 | 0.0 |", "### error: `package-install-failed`",
		"- **at**: kapp.yaml:3", `it \| &lt;failed>`, "mend 'it'", "````\nsaid ```\nno\n````", "<details>",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// What is accepted is told in every format, as what it is: neither an error nor nothing.
func TestAcceptedIsTold(t *testing.T) {
	r := sample(verdict.PassAccepted)
	r.Layers = r.Layers[:2]
	r.Findings[0].Excuse("no GPU\nhere", "2027-01-31")
	r.Layers[1].Findings[0], r.Layers[1].Accepted = r.Findings[0], true
	for name, c := range map[string]struct {
		write func(*bytes.Buffer) error
		want  []string
	}{
		"text": {func(b *bytes.Buffer) error { return r.WriteText(b, false) }, []string{
			"kapp        failed, accepted    0.0s", "accepted error: package-install-failed in layer kapp\n", "  accepted until 2027-01-31: no GPU here\n",
			"Summary: pass-with-accepted: 1 of 2 layers reconciled (1 failed, accepted), 0 errors, 0 warnings, 1 accepted; tier",
		}},
		"Markdown": {func(b *bytes.Buffer) error { return r.WriteMarkdown(b) }, []string{
			"## ☑️ Seatrial: pass-with-accepted", "1 of 2 layers of `clusters/a` reconciled (1 failed, accepted) at", "| ☑️ | kapp | failed, accepted: broke |",
			"### accepted error: `package-install-failed`", "- **accepted**: until 2027-01-31: no GPU here",
		}},
		"JSON":  {func(b *bytes.Buffer) error { return r.WriteJSON(b) }, []string{`"verdict": "pass-with-accepted"`, `"accepted": true`, `"reason": "no GPU\nhere"`, `"severity": "warning"`}},
		"JUnit": {func(b *bytes.Buffer) error { return r.WriteJUnit(b) }, []string{`<skipped message="failed, accepted: broke">`, "accepted until 2027-01-31: no GPU here", "pass-with-accepted"}},
	} {
		var b bytes.Buffer
		if err := c.write(&b); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: no %q in\n%s", name, want, b.String())
			}
		}
		if strings.Contains(b.String(), "<failure") {
			t.Errorf("%s fails a build\n%s", name, b.String())
		}
	}
}
