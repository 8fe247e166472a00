package rehearse

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/redact"
	"seatrial.dev/seatrial/internal/redirect"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/standin"
	"seatrial.dev/seatrial/internal/timing"
	"seatrial.dev/seatrial/internal/verdict"
)

// read reads the tree and makes the subject of the rehearsal of it.
func (r *rehearsal) read(ctx context.Context) error {
	o := r.Subject
	o.Known = func(known *redact.Set) { r.console.Conceal(known.Text) }
	if o.Snapshot.Dirty {
		r.console.Note("rehearsing " + o.Snapshot.Origin)
	}
	s, err := NewSubject(ctx, o)
	if err != nil {
		return err
	}
	r.subject, r.synced = s, s.Snapshot
	r.report.Tree, r.report.Origin, r.report.Path, r.report.Revision = s.Tree, s.Origin, s.Repo.Path, s.Snapshot.Commit
	if !o.Snapshot.Dirty {
		r.report.Commit = s.Commit
	}
	if s.TooLarge {
		r.report.Verdict, r.report.Findings, r.finished = verdict.Fail, slices.Clone(s.Static), true
		return nil
	}
	r.report.PodSecurity = r.Platform.PodSecurity
	for _, a := range r.Platform.Assumptions() {
		r.report.Assumptions = append(r.report.Assumptions, report.Assumption{What: a})
		r.console.Note("taken for granted of its cluster: " + a)
	}
	for _, g := range s.Gates {
		r.report.Assumptions = append(r.report.Assumptions, report.Assumption{What: "the API server has the feature gate " + g, Why: "a configuration of a cluster in the repo turns it on"})
	}
	if refs := s.Repo.OtherRefs(); len(refs) > 0 {
		r.report.BlindSpots = append(r.report.BlindSpots, finding.Unseen(finding.OtherRef, "these sources are the repo itself at another ref, and were served from the rehearsed tree all the same: %s", strings.Join(refs, ", ")))
	}
	r.tellAssumed()
	r.report.Rekeyed, r.report.BlindSpots = s.Rekeyed, append(r.report.BlindSpots, s.BlindSpots...)
	if len(s.Rekeyed) > 0 {
		r.console.Note(fmt.Sprintf("no key given for them: %d SOPS files are rehearsed with the same names and placeholder values", len(s.Rekeyed)))
	}
	return nil
}

// up brings the cluster up, with the objects that it should not have yet.
func (r *rehearsal) up(ctx context.Context) error {
	var planned []cluster.Object
	for _, l := range r.subject.Repo.Layers {
		for _, o := range l.Objects {
			gvk := o.GroupVersionKind()
			planned = append(planned, cluster.Object{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Namespace: o.GetNamespace(), Name: o.GetName()})
		}
	}
	for _, ref := range r.keySecrets() {
		planned = append(planned, cluster.Object{Version: "v1", Kind: "Secret", Namespace: ref.Namespace, Name: ref.Name})
	}
	if err := r.cluster.Up(ctx, planned); err != nil {
		return err
	}
	r.booted = true
	what, of := "the cluster boots", timing.Kubernetes
	if staged, ok := r.cluster.(cluster.Staged); ok {
		what, of = "the control plane boots", timing.APIServer
		r.await(ctx, staged)
	}
	r.Path.Until(time.Now(), what, of)
	r.noteBoot()
	version, err := r.cluster.Client().Typed.Discovery().ServerVersion()
	if err != nil {
		return err
	}
	r.report.Versions["kubernetes"] = version.GitVersion
	return nil
}

// await has the steps that follow end when a controller of a staged cluster does not start.
func (r *rehearsal) await(ctx context.Context, c cluster.Staged) {
	starting, fail := context.WithCancelCause(ctx)
	done := make(chan error, 1)
	go func() {
		err := c.Complete(ctx)
		if err != nil {
			fail(err)
		}
		done <- err
	}()
	r.starting, r.started = starting, func() error { defer fail(nil); return <-done }
}

// complete waits for the cluster's controllers, if Up did not.
func (r *rehearsal) complete(context.Context) error {
	if r.started == nil {
		return nil
	}
	err := r.started()
	r.starting = nil
	if err != nil {
		return err
	}
	r.noteBoot()
	last, of := "Flux", timing.Flux
	if parts := r.cluster.Phases(); parts["kapp-controller"] > parts[last] {
		last, of = "kapp-controller", timing.Kapp
	}
	r.Path.Until(time.Now(), last+" starts", of)
	return nil
}

// noteBoot puts the times of the boot's parts into the report.
func (r *rehearsal) noteBoot() {
	parts := r.cluster.Phases()
	for name, s := range parts {
		parts[name] = math.Round(s*100) / 100
	}
	r.report.Timings.BootParts = parts
}

// publish puts the tree where the cluster's controllers clone it.
func (r *rehearsal) publish(ctx context.Context) (err error) {
	r.remote, err = r.cluster.Publish(ctx, r.subject.Snapshot)
	r.openDoor()
	return err
}

// standIn makes stand-ins for the repo's sources available to the cluster, unless the
// real ones are used.
func (r *rehearsal) standIn(ctx context.Context) error {
	if r.Sources == egress.Live || r.Sources == egress.Cached {
		return nil
	}
	services, err := catalogue.Load()
	if err != nil {
		return err
	}
	shelf, err := r.cluster.Shelf(ctx)
	if err != nil {
		return err
	}
	if r.door == nil {
		r.served, err = standin.Fill(ctx, services, shelf, r.subject.Repo)
		return err
	}
	if r.served, err = standin.Packages(ctx, services, shelf, r.subject.Repo); err != nil {
		return err
	}
	// An object whose address has to change for its stand-in stays as it is where the source itself answers.
	r.served = slices.DeleteFunc(r.served, func(s standin.Served) bool { return s.URL != s.Upstream && r.door.Answers(ctx, s.Upstream) })
	r.makeCharts(ctx, services, shelf)
	return nil
}

// redirect points the repo's sources at the published tree and at the stand-ins. A
// cluster that can't redirect has no stand-ins, and has reported that as a blind spot.
func (r *rehearsal) redirect(ctx context.Context) error {
	if !r.cluster.Redirects() {
		return nil
	}
	return redirect.Enforce(ctx, r.cluster.Client(), redirect.Options{
		Repo: r.subject.Repo, GitURL: r.remote.URL, GitSecret: r.remote.Secret, Served: r.served, Pinned: r.pinned, Labels: r.cluster.Labels(), Door: r.door != nil,
	})
}

// keySecrets returns the Secrets whose keys the layers decrypt with, each once; none if
// there is no key.
func (r *rehearsal) keySecrets() []gitops.Ref {
	if r.subject.Key == nil {
		return nil
	}
	var out []gitops.Ref
	done := map[gitops.Ref]bool{}
	for _, l := range r.subject.Repo.Layers {
		ref := l.DecryptionSecret
		if ref.Name == "" { // a key service would decrypt
			ref = gitops.Ref{Namespace: gitops.FluxNamespace, Name: cluster.FallbackKey}
		}
		if l.Decrypts && !done[ref] {
			done[ref] = true
			out = append(out, ref)
		}
	}
	return out
}

// giveKeys creates these Secrets.
func (r *rehearsal) giveKeys(ctx context.Context) error {
	c, labels := r.cluster.Client(), r.cluster.Labels()
	for _, ref := range r.keySecrets() {
		if ref.Namespace != gitops.FluxNamespace {
			if err := c.MakeNamespace(ctx, ref.Namespace, nil, labels); err != nil {
				return err
			}
		}
		secret := kube.Object("v1", "Secret", ref.Namespace, ref.Name, map[string]any{
			"stringData": map[string]any{"age.agekey": string(r.subject.Key.Text())},
		})
		if len(labels) > 0 {
			secret.SetLabels(labels)
		}
		if err := c.Apply(ctx, secret); err != nil {
			return err
		}
	}
	return nil
}

// sync bootstraps Flux on the published tree.
func (r *rehearsal) sync(ctx context.Context) error {
	repo := r.subject.Repo
	sync := cluster.Sync{
		Remote: r.remote, Snapshot: r.subject.Snapshot, Path: repo.Path, Root: repo.Root, Source: repo.Source, Spec: repo.Spec,
		Artifact: slices.ContainsFunc(repo.Layers, func(l *gitops.Layer) bool { return l.Artifact }),
	}
	if l := repo.Layer(repo.Root); l != nil && l.Decrypts {
		sync.DecryptionSecret = l.DecryptionSecret.Name
	}
	next, changes, err := r.cluster.Bootstrap(ctx, sync)
	if err != nil {
		return err
	}
	r.synced, r.report.Revision = next, next.Commit
	for _, c := range changes {
		r.report.Bootstrapped = append(r.report.Bootstrapped, report.Bootstrapped{File: c.File, Original: c.Before, Rehearsed: c.After})
	}
	return nil
}
