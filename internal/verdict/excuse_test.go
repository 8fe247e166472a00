package verdict

import (
	"slices"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/live/livetest"
)

func TestWhatMakesNoLayerFailExcusesNone(t *testing.T) {
	excused := func(code finding.Code) []finding.Finding {
		f := finding.Finding{Code: code, Severity: finding.Error}
		f.Excuse("known", "2027-01-31")
		return []finding.Finding{f}
	}
	if accepted(StatusFail, excused(finding.PlaintextSecret)) || accepted(StatusFail, nil) || accepted(Blocked, excused(finding.ApplyFailed)) || !accepted(StatusFail, excused(finding.ApplyFailed)) {
		t.Error("another layer is accepted than one that failed as is accepted")
	}
}

// What is accepted passes, under a name of its own; what did not happen does not.
func TestAcceptedErrors(t *testing.T) {
	good := func(name string) string { return ks(name, "True", "ReconciliationSucceeded", "", "") }
	bad := func(name string) string { return ks(name, "False", "ReconciliationFailed", "it broke", "") }
	waits := func(name string) string { return ks(name, "False", "DependencyNotReady", "", "") }
	secret := finding.Finding{Code: finding.PlaintextSecret, Severity: finding.Error, Layer: "a", Object: "Secret/a/a", Message: "in plain text"}
	ordered := finding.Finding{Code: finding.CRDAndCR, Severity: finding.Error, Layer: "a", Object: "A/a/a", Message: "together"}
	for name, c := range map[string]struct {
		layers   []string
		objects  []string
		static   []finding.Finding
		accept   []string // objects
		want     Verdict
		errors   int
		accepted []string // layers
		says     string
	}{
		"a layer of two":            {layers: []string{"a", "b"}, objects: []string{root, good("a"), bad("b")}, accept: []string{"Kustomization/flux-system/b"}, want: PassAccepted, accepted: []string{"b"}},
		"one of two that fail":      {layers: []string{"a", "b", "c"}, objects: []string{root, good("a"), bad("b"), bad("c")}, accept: []string{"Kustomization/flux-system/b"}, want: Fail, errors: 1, accepted: []string{"b"}},
		"the only layer":            {layers: []string{"a"}, objects: []string{root, bad("a")}, accept: []string{"Kustomization/flux-system/a"}, want: Fail, errors: 1, accepted: []string{"a"}, says: "not every layer reconciled"},
		"what others wait for":      {layers: []string{"a", "b", "c<b"}, objects: []string{root, good("a"), bad("b"), waits("c")}, accept: []string{"Kustomization/flux-system/b"}, want: Fail, errors: 1, accepted: []string{"b"}, says: "what waits for a layer that failed was not rehearsed"},
		"what is static":            {layers: []string{"a"}, objects: []string{root, good("a")}, static: []finding.Finding{secret}, accept: []string{"Secret/a/a"}, want: PassAccepted},
		"what is refuted":           {layers: []string{"a"}, objects: []string{root, good("a")}, static: []finding.Finding{ordered}, accept: []string{"A/a/a"}, want: Pass},
		"one of a layer's two":      {layers: []string{"a", "b"}, objects: []string{root, bad("a"), good("b")}, static: []finding.Finding{secret}, accept: []string{"Secret/a/a"}, want: Fail, errors: 1},
		"both of a layer's two":     {layers: []string{"a", "b"}, objects: []string{root, bad("a"), good("b")}, static: []finding.Finding{secret}, accept: []string{"Secret/a/a", "Kustomization/flux-system/a"}, want: PassAccepted, accepted: []string{"a"}},
		"nothing that was found":    {layers: []string{"a"}, objects: []string{root, good("a")}, accept: []string{"Secret/a/a"}, want: Pass},
		"what can never start":      {layers: []string{"a", "b<x"}, objects: []string{root, good("a")}, static: []finding.Finding{{Code: finding.DanglingDepends, Severity: finding.Error, Layer: "b", Object: "Kustomization/flux-system/b"}}, accept: []string{"Kustomization/flux-system/b"}, want: Fail, errors: 1, says: "not every layer reconciled"},
		"what nobody accepts":       {layers: []string{"a", "b"}, objects: []string{root, good("a"), bad("b")}, want: Fail, errors: 1},
		"a suspended one beside it": {layers: []string{"a", "b", "c!"}, objects: []string{root, good("a"), bad("b")}, accept: []string{"Kustomization/flux-system/b"}, want: PassAccepted, accepted: []string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			objects := livetest.Cluster(t, c.objects...)
			j, a := after(t, repo(t, c.layers...), objects, 0, 3)
			EndAll(&a)
			j.Excuse(func(all []finding.Finding) []finding.Finding {
				for i := range all {
					if slices.Contains(c.accept, all[i].Object) {
						all[i].Excuse("known", "2027-01-31")
					}
				}
				return all
			})
			d := j.Decide(objects, a, c.static, nil)
			if d.Verdict != c.want || finding.Errors(d.Findings) != c.errors {
				t.Errorf("%s with %d errors, want %s with %d: %+v", d.Verdict, finding.Errors(d.Findings), c.want, c.errors, d.Findings)
			}
			var got []string
			for _, o := range d.Layers {
				if o.Accepted {
					got = append(got, o.Name)
				}
				if o.Accepted && o.Status != StatusFail {
					t.Errorf("layer %s is %s", o.Name, o.Status)
				}
			}
			if !slices.Equal(got, c.accepted) {
				t.Errorf("layers %v are accepted, want %v", got, c.accepted)
			}
			if !slices.ContainsFunc(d.Findings, func(f finding.Finding) bool { return strings.Contains(f.Message, c.says) }) && c.says != "" {
				t.Errorf("nothing says %q: %+v", c.says, d.Findings)
			}
		})
	}
}

func TestWorse(t *testing.T) {
	order := []Verdict{Pass, PassAccepted, Inconclusive, Fail, "of a later version"}
	for i, v := range order {
		for j, than := range order {
			if v.Worse(than) != (i > j) {
				t.Errorf("%s is worse than %s: %v", v, than, v.Worse(than))
			}
		}
	}
}
