package verdict

import (
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/live/livetest"
	"seatrial.dev/seatrial/internal/placeholder"
)

// What refuses a placeholder is told as a blind spot, and proves nothing: neither a fault nor a pass.
func TestRefusedPlaceholders(t *testing.T) {
	const refusal = `Service/web/x dry-run failed (Invalid): Service "x" is invalid: spec.ports[0].port: Invalid value: 20123: no`
	failing := func(layer, message string) string { return ks(layer, "False", "ReconciliationFailed", message, "") }
	good := ks("a", "True", "ReconciliationSucceeded", "", "")
	made := &placeholder.Set{}
	made.Add(placeholder.Made{Value: "20123", Name: "PORT", File: "settings.yaml", Places: []placeholder.Place{{Object: "Service/web/x", Path: "spec.ports[0].port", Text: "${PORT}"}}})
	for name, c := range map[string]struct {
		layers, objects []string
		static          []finding.Finding
		made            *placeholder.Set
		want            Verdict
		errors, spots   int
		status          Status // of layer b
	}{
		"refused":             {[]string{"a", "b"}, []string{root, good, failing("b", refusal)}, nil, made, Inconclusive, 0, 1, NotRehearsed},
		"with a key":          {[]string{"a", "b"}, []string{root, good, failing("b", refusal)}, nil, nil, Fail, 1, 0, StatusFail},
		"and what waits":      {[]string{"a", "b", "c<b"}, []string{root, good, failing("b", refusal), ks("c", "False", "DependencyNotReady", "", "")}, nil, made, Inconclusive, 0, 1, NotRehearsed},
		"beside a fault":      {[]string{"a", "b"}, []string{root, failing("a", "it broke"), failing("b", refusal)}, nil, made, Fail, 1, 1, NotRehearsed},
		"for another reason":  {[]string{"a", "b"}, []string{root, good, failing("b", strings.Replace(refusal, "20123", "7", 1))}, nil, &placeholder.Set{}, Fail, 1, 0, StatusFail},
		"it is about the key": {[]string{"a", "b"}, []string{root, good, failing("b", refusal)}, []finding.Finding{{Code: finding.SOPSRecipient, Severity: finding.Error, Layer: "b", Object: "Service/web/x", Message: refusal}}, made, Fail, 1, 1, StatusFail},
	} {
		t.Run(name, func(t *testing.T) {
			objects := livetest.Cluster(t, c.objects...)
			j, a := after(t, repo(t, c.layers...), objects, 0, 3)
			EndAll(&a)
			j.Placeheld(c.made)
			d := j.Decide(objects, a, c.static, nil)
			spots := 0
			for _, b := range d.BlindSpots {
				if b.Code == finding.PlaceholderRefused {
					spots++
					if b.Severity != finding.High || !strings.Contains(b.Message, "PORT of settings.yaml") || !strings.Contains(b.Message, "Invalid value: 20123") {
						t.Errorf("got %+v", b)
					}
				}
			}
			if d.Verdict != c.want || finding.Errors(d.Findings) != c.errors || spots != c.spots {
				t.Errorf("%s with %d errors and %d blind spots, want %s with %d and %d: %+v", d.Verdict, finding.Errors(d.Findings), spots, c.want, c.errors, c.spots, d.Findings)
			}
			for _, l := range d.Layers {
				if l.Name == "b" && l.Status != c.status {
					t.Errorf("the layer is %s, want %s", l.Status, c.status)
				}
			}
		})
	}
}
