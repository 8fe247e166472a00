package rehearse

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/verdict"
	"seatrial.dev/seatrial/internal/watch"
)

// reconcile follows the layers until each of them has reconciled or never will.
func (r *rehearsal) reconcile(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	view := watch.New(ctx, r.cluster.Client())
	for _, gk := range verdict.Tracked {
		view.Watch(gk)
	}
	start := time.Now()
	judge := verdict.NewJudge(r.repo, r.snapshot.Commit, r.cluster.Patience(), start)
	deadline := time.NewTimer(r.Timeout)
	defer deadline.Stop()
	clock := time.NewTicker(time.Second) // rest is noticed by the clock: nothing changes then
	defer clock.Stop()
	for {
		for _, gk := range verdict.Referred() {
			view.Watch(gk) // some kinds come with a chart or package
		}
		a := judge.Assess(view, time.Now())
		for _, l := range a.Layers {
			for _, ref := range l.Unwatched {
				view.Watch(ref.GroupKind)
			}
		}
		for _, retry := range a.Retries {
			if err := requestReconcile(ctx, r.cluster.Client(), retry); err != nil {
				return err
			}
		}
		r.console.Layers(a.Layers, time.Since(start))
		if a.Final && view.Synced() {
			r.conclude(judge, view, a, time.Since(start), nil)
			return nil
		}
		select {
		case <-view.Changed():
		case <-clock.C:
		case err := <-r.cluster.Failed():
			return fmt.Errorf("the cluster broke: %w", err)
		case <-deadline.C:
			verdict.Conclude(&a)
			r.console.Layers(a.Layers, time.Since(start))
			r.conclude(judge, view, a, time.Since(start), fmt.Errorf("not all layers came to an end within %s", r.Timeout))
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// requestReconcile does what flux reconcile does.
func requestReconcile(ctx context.Context, c *kube.Client, retry verdict.Retry) error {
	m, err := c.Mapping(retry.GroupKind, "")
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{"reconcile.fluxcd.io/requestedAt": retry.Token}}})
	if err != nil {
		return err
	}
	_, err = c.Dynamic.Resource(m.Resource).Namespace(retry.Namespace).Patch(ctx, retry.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: kube.FieldManager})
	if apierrors.IsNotFound(err) {
		return nil // gone in the meantime: that is a change of its own
	}
	return err
}

// conclude writes the report.
func (r *rehearsal) conclude(judge *verdict.Judge, view *watch.View, a verdict.Assessment, took time.Duration, late error) {
	live := finding.Merge(judge.Explain(view, a), judge.References(view, a))
	r.console.Layers(a.Layers, took) // a layer may have failed for what its pods and routes refer to
	all := finding.Merge(proven(r.static, a.Layers), live)
	passed, reconciled := true, 0
	for _, l := range a.Layers {
		entry := report.Layer{
			Name: l.Name, Namespace: l.Namespace, Path: l.Path, DependsOn: []string{}, Status: string(l.Status),
			Seconds: round(l.Seconds), Objects: l.Objects, Findings: []finding.Finding{}, Suspended: r.repo.Asleep(l.Layer),
		}
		if l.Status != verdict.Reconciled {
			entry.Message = l.Message
			passed = passed && l.Status == verdict.Unreachable && r.repo.Asleep(l.Layer)
		} else if l.Ref != gitops.RootLayer || len(a.Layers) == 1 {
			reconciled++
		}
		for _, d := range l.DependsOn {
			entry.DependsOn = append(entry.DependsOn, d.Name)
		}
		for _, f := range all {
			if f.Layer == l.Name {
				entry.Findings = append(entry.Findings, f)
			}
		}
		r.report.Layers = append(r.report.Layers, entry)
		for _, ref := range l.Failing() {
			r.failing = append(r.failing, cluster.Object{Group: ref.Group, Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name})
		}
		r.report.BlindSpots = append(r.report.BlindSpots, unobserved(l, r.cluster.Patience().Settle > 0)...)
	}
	if late != nil {
		all = finding.Merge(all, []finding.Finding{{Code: finding.NotReconciled, Severity: finding.Error, Message: late.Error(), Fix: "give it more time with --timeout"}})
	}
	if passed = passed && reconciled > 0; !passed && finding.Errors(all) == 0 {
		all = append(all, finding.Finding{
			Code: finding.NotReconciled, Severity: finding.Error, Message: "not every layer reconciled: see the layers' messages",
			Fix: "resume or remove what is suspended, and what depends on it",
		})
	}
	r.report.Findings = append(r.report.Findings, all...)
	if theirs, ours := bootstrapped(r.repo), r.Versions["flux"]; theirs != "" && theirs != ours {
		r.report.BlindSpots = append(r.report.BlindSpots, fmt.Sprintf("the repo was bootstrapped with Flux %s; Flux %s and its CRDs were rehearsed", theirs, ours))
	}
	r.report.BlindSpots = slices.Concat(r.cluster.BlindSpots(), r.report.BlindSpots)
	switch {
	case passed && finding.Errors(all) == 0:
		r.report.Verdict = report.Pass
	case verdict.Unreached(all):
		r.report.Verdict = report.Inconclusive
	default:
		r.report.Verdict = report.Fail
	}
}

// unobserved tells of a layer's objects that nothing in this tier controls, a line
// for each kind; where controllers of real pods run, some may yet speak.
func unobserved(l *verdict.Layer, real bool) []string {
	why := "no controller of the kind runs in this tier"
	if real {
		why = "no controller has said anything of it"
	}
	names := map[string][]string{}
	for _, ref := range l.Unobserved {
		names[ref.Kind] = append(names[ref.Kind], strings.TrimPrefix(ref.Identity(), ref.Kind+"/"))
	}
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(names)) {
		out = append(out, fmt.Sprintf("%s in layer %s: applied, but %s: %s", kind, l.Name, why, strings.Join(names[kind], ", ")))
	}
	return out
}

// proven turns static findings that the rehearsal refuted into warnings: what
// has reconciled can be built and ordered. Findings about keys and plain text
// stand, as a rehearsal doesn't prove them wrong: a Secret that nothing decrypts
// is applied with its ciphertext for values.
func proven(static []finding.Finding, layers []*verdict.Layer) []finding.Finding {
	out := slices.Clone(static)
	for i, f := range out {
		switch f.Code {
		case finding.SOPSRecipient, finding.SOPSNoDecryption, finding.PlaintextSecret, finding.DecryptFailed:
			continue
		}
		if slices.ContainsFunc(layers, func(l *verdict.Layer) bool { return l.Name == f.Layer && l.Status == verdict.Reconciled }) {
			out[i].Severity = finding.Warning
		}
	}
	return out
}

func round(s float64) float64 { return float64(int(s*100+0.5)) / 100 }
