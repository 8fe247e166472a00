package verdict

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/live/livetest"
)

func TestDecide(t *testing.T) {
	good, bad := ks("a", "True", "ReconciliationSucceeded", "", ""), ks("a", "False", "ReconciliationFailed", "it broke", "")
	offline := "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: r, namespace: web, generation: 1}\nstatus: {observedGeneration: 1, conditions: [{type: Ready, status: 'False', message: 'dial tcp: lookup charts.example.com: no such host'}]}"
	const asked = "{id: web_r_source.toolkit.fluxcd.io_HelmRepository, v: v1}"
	about := func(code finding.Code, layer string) finding.Finding {
		return finding.Finding{Code: code, Severity: finding.Error, Layer: layer, Message: "a rule says so"}
	}
	for name, c := range map[string]struct {
		layers  []string
		objects []string
		static  []finding.Finding
		late    error
		want    Verdict
		errors  int
		says    string // one of the findings' messages
	}{
		"all reconciled": {layers: []string{"a"}, objects: []string{root, good}, want: Pass},
		"one failed":     {layers: []string{"a"}, objects: []string{root, bad}, want: Fail, errors: 1, says: "can't be applied"},
		// No layer but the root has reconciled: nothing was shown.
		"all suspended": {layers: []string{"a!"}, objects: []string{root}, want: Fail, errors: 1, says: "not every layer reconciled"},
		"one suspended": {layers: []string{"a", "b!"}, objects: []string{root, good}, want: Pass, says: "the layer is suspended"},
		"only the root": {objects: []string{root}, want: Pass},
		"it waits for one that is suspended": {layers: []string{"a", "b!", "c<b"}, objects: []string{root, good, ks("c", "False", "DependencyNotReady", "", "")},
			want: Fail, errors: 1, says: "not every layer reconciled"},
		// What a rehearsal refutes, and what it can't.
		"a refuted rule":             {layers: []string{"a"}, objects: []string{root, good}, static: []finding.Finding{about(finding.CRDAndCR, "a")}, want: Pass, says: "a rule says so"},
		"a rule about another layer": {layers: []string{"a"}, objects: []string{root, good}, static: []finding.Finding{about(finding.CRDAndCR, "b")}, want: Fail, errors: 1},
		"plain text":                 {layers: []string{"a"}, objects: []string{root, good}, static: []finding.Finding{about(finding.PlaintextSecret, "a")}, want: Fail, errors: 1},
		"another's key":              {layers: []string{"a"}, objects: []string{root, good}, static: []finding.Finding{about(finding.SOPSRecipient, "a")}, want: Fail, errors: 1},
		"no decryption":              {layers: []string{"a"}, objects: []string{root, good}, static: []finding.Finding{about(finding.SOPSNoDecryption, "a")}, want: Fail, errors: 1},
		"not decrypted":              {layers: []string{"a"}, objects: []string{root, good}, static: []finding.Finding{about(finding.DecryptFailed, "a")}, want: Fail, errors: 1},
		"too late":                   {layers: []string{"a"}, objects: []string{root, good}, late: errors.New("not all in time"), want: Fail, errors: 1, says: "not all in time"},
		// Nothing is known against a repo whose sources can't be reached from here.
		"offline": {layers: []string{"a"}, objects: []string{root, ks("a", "True", "ReconciliationSucceeded", "", asked), offline}, want: Inconclusive, errors: 1, says: "can't be fetched"},
		"offline, and more": {layers: []string{"a", "b"}, objects: []string{root, ks("a", "True", "ReconciliationSucceeded", "", asked), offline, ks("b", "False", "ReconciliationFailed", "it broke", "")},
			want: Fail, errors: 2, says: "can't be applied"},
		// A layer's own failure is told beside that of an object of it.
		"a layer and its object": {layers: []string{"a"}, objects: []string{root, ks("a", "False", "BuildFailed", "it does not build", asked), offline}, want: Fail, errors: 2, says: "kustomize build of x fails"},
	} {
		t.Run(name, func(t *testing.T) {
			objects := livetest.Cluster(t, c.objects...)
			j, a := after(t, repo(t, c.layers...), objects, 0, 3)
			EndAll(&a)
			d := j.Decide(objects, a, c.static, c.late)
			if d.Verdict != c.want || finding.Errors(d.Findings) != c.errors {
				t.Errorf("%s with %d errors, want %s with %d: %+v", d.Verdict, finding.Errors(d.Findings), c.want, c.errors, d.Findings)
			}
			if !slices.ContainsFunc(d.Findings, func(f finding.Finding) bool { return strings.Contains(f.Message, c.says) }) && c.says != "" {
				t.Errorf("nothing says %q: %+v", c.says, d.Findings)
			}
			if len(d.Layers) != len(a.Layers) {
				t.Errorf("%d outcomes of %d layers", len(d.Layers), len(a.Layers))
			}
		})
	}
}

// An outcome has what is said of its layer, and a decision what kept layers from passing.
func TestOutcomes(t *testing.T) {
	objects := livetest.Cluster(t, root, ks("a", "False", "ReconciliationFailed", "it broke", ""), ks("b", "True", "ReconciliationSucceeded", "", "{id: web_c_cert-manager.io_Certificate, v: v1}"),
		"apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: c, namespace: web}")
	j, a := after(t, repo(t, "a", "b"), objects, 0, 3)
	EndAll(&a)
	d := j.Decide(objects, a, nil, nil)
	if len(d.Layers[1].Findings) != 1 || len(d.Layers[2].Findings) != 0 {
		t.Errorf("got %+v and %+v", d.Layers[1].Findings, d.Layers[2].Findings)
	}
	if len(d.Failing) != 1 || d.Failing[0].Identity() != "Kustomization/flux-system/a" {
		t.Errorf("failing: %v", d.Failing)
	}
	if want := "Certificate in layer b: applied, but no controller of the kind runs in this tier: web/c"; len(d.BlindSpots) != 1 || d.BlindSpots[0].Message != want || d.BlindSpots[0].Severity != finding.High {
		t.Errorf("got %v, want %s", d.BlindSpots, want)
	}
}

func TestUnreachedSourcesAreInconclusive(t *testing.T) {
	lookup := finding.Finding{Code: finding.SourceFailed, Severity: finding.Error, Evidence: "dial tcp: lookup charts.example.com: no such host"}
	if !unreached([]finding.Finding{lookup}) {
		t.Error("a source that can't be reached says nothing against the repo")
	}
	if unreached([]finding.Finding{lookup, {Code: finding.ApplyFailed, Severity: finding.Error}}) || unreached(nil) {
		t.Error("another error does")
	}
}
