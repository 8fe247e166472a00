package verdict

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/live"
)

// Verdict is the result of a rehearsal.
type Verdict string

// The verdicts. PassAccepted is a fail but for errors that the repo accepts, a failed layer perhaps among
// them. Inconclusive means that layers did not reconcile because of the machine, not of the repo.
const (
	Pass         Verdict = "pass"
	PassAccepted Verdict = "pass-with-accepted"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
)

// ranks are the verdicts from the best to the worst.
var ranks = []Verdict{Pass, PassAccepted, Inconclusive, Fail}

// Worse says whether a verdict is worse than another. One that is not known is the worst.
func (v Verdict) Worse(than Verdict) bool {
	a, b := slices.Index(ranks, v), slices.Index(ranks, than)
	return b >= 0 && (a < 0 || a > b)
}

// Decision is a verdict, and what it rests on.
type Decision struct {
	Verdict  Verdict
	Layers   []Outcome
	Findings []finding.Finding
	// BlindSpots are objects that nothing in this tier controls, a line for each kind and layer.
	BlindSpots []finding.BlindSpot
	// Failing are the layers' Kustomizations and objects that kept them from passing.
	Failing []live.Ref
}

// Outcome is the final state of one layer.
type Outcome struct {
	*Layer
	// Suspended is true if the repo itself suspends the layer, or one that declares it.
	Suspended bool
	// Accepted is true if the layer failed, and the repo accepts each error about it.
	Accepted bool
	// Findings are those about this layer.
	Findings []finding.Finding
}

// Decide ends a rehearsal: it explains what failed, fails the layers whose pods or routes refer to
// something that does not exist, and gives the verdict. static are the findings of internal/check.
// late says why the layers were not waited for any longer; it is nil if they came to an end.
func (j *Judge) Decide(c live.View, a Assessment, static []finding.Finding, late error) Decision {
	referred, spots := j.References(c, a)
	told := finding.Merge(j.Explain(c, a), referred)
	all, refused, blind := j.unblamed(finding.Merge(proven(static, a.Layers), told))
	d := Decision{Findings: j.excused(all), BlindSpots: append(spots, blind...)}
	unrehearsed(a.Layers, refused, all)
	untold := len(refused) > 0
	passed, reconciled := true, 0
	for _, l := range a.Layers {
		o := Outcome{Layer: l, Suspended: j.repo.Asleep(l.Layer), Findings: []finding.Finding{}}
		for _, f := range d.Findings {
			if f.Layer == l.Title() {
				o.Findings = append(o.Findings, f)
			}
		}
		o.Accepted = accepted(l.Status, o.Findings)
		switch {
		case l.Status != Reconciled:
			passed = passed && (l.Status == Unreachable && o.Suspended || o.Accepted)
		case l.Ref != j.repo.Root || len(a.Layers) == 1:
			reconciled++
		}
		d.Layers = append(d.Layers, o)
		d.Failing = append(d.Failing, l.Failing()...)
		d.BlindSpots = append(d.BlindSpots, unobserved(l, j.patience.Settle > 0)...)
	}
	if late != nil {
		d.Findings = finding.Merge(d.Findings, []finding.Finding{{
			Code: finding.NotReconciled, Severity: finding.Error, Message: late.Error(), Fix: "give it more time with --timeout",
		}})
	}
	passed = passed && reconciled > 0 && !untold
	if !passed && !untold && finding.Errors(d.Findings) == 0 {
		d.Findings = append(d.Findings, notAll(d.Layers))
	}
	switch {
	case passed && finding.Errors(d.Findings) == 0 && len(finding.ExcusedErrors(d.Findings)) > 0:
		d.Verdict = PassAccepted
	case passed && finding.Errors(d.Findings) == 0:
		d.Verdict = Pass
	case untold && finding.Errors(d.Findings) == 0, unreached(d.Findings):
		d.Verdict = Inconclusive
	default:
		d.Verdict = Fail
	}
	return d
}

// proven turns static findings into warnings if the rehearsal refutes them: a layer
// that reconciled can evidently be built and ordered. Findings about keys and plain
// text stay errors, as reconciling does not refute them: a Secret that nothing decrypts
// is applied all the same, with its ciphertext as values.
func proven(static []finding.Finding, layers []*Layer) []finding.Finding {
	// Whether a namespace is there, the API server has said.
	out := slices.DeleteFunc(slices.Clone(static), func(f finding.Finding) bool { return f.Code == finding.MissingNamespace })
	for i, f := range out {
		switch f.Code {
		case finding.SOPSRecipient, finding.SOPSNoDecryption, finding.PlaintextSecret, finding.DecryptFailed:
			continue
		}
		if slices.ContainsFunc(layers, func(l *Layer) bool { return l.Title() == f.Layer && l.Status == Reconciled }) {
			out[i].Severity = finding.Warning
		}
	}
	return out
}

// unobserved names a layer's objects that nothing in this tier controls, in a line for each kind.
// real says that the tier runs controllers in real pods, which might have reported on them.
func unobserved(l *Layer, real bool) []finding.BlindSpot {
	why := "no controller of the kind runs in this tier"
	if real {
		why = "no controller has said anything of it"
	}
	names := map[string][]string{}
	for _, ref := range l.Unobserved {
		names[ref.Kind] = append(names[ref.Kind], strings.TrimPrefix(ref.Identity(), ref.Kind+"/"))
	}
	var out []finding.BlindSpot
	for _, kind := range slices.Sorted(maps.Keys(names)) {
		out = append(out, finding.Unseen(finding.Unobserved, "%s in layer %s: applied, but %s: %s", kind, l.Title(), why, strings.Join(names[kind], ", ")))
	}
	return out
}

var (
	// network matches errors about an address that could not be reached.
	network = regexp.MustCompile(`(?i)no such host|dial tcp|network is unreachable|connection refused|i/o timeout|server misbehaving`)
	// waiting matches messages of objects that wait for something that could not be fetched.
	waiting = regexp.MustCompile(`(?i)artifact|source .*not ready|dependency .* is not ready|HelmRelease/|GitRepository/|OCIRepository/|HelmRepository/`)
)

// unreached says whether all errors are about sources that could not be reached from here,
// or about what waits for those. Nothing is then known to be wrong with the repo itself.
func unreached(all []finding.Finding) bool {
	unreached := false
	for _, f := range all {
		if f.Severity != finding.Error {
			continue
		}
		switch f.Code {
		case finding.SourceUnreachable:
			unreached = true
			continue
		case finding.SourceFailed, finding.HelmFailed, finding.HealthCheckFailed, finding.BuildFailed:
		default:
			return false
		}
		offline := network.MatchString(f.Evidence)
		if !offline && !waiting.MatchString(f.Evidence) {
			return false
		}
		unreached = unreached || offline
	}
	return unreached
}
