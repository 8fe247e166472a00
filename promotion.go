package main

import (
	"context"

	"seatrial.dev/seatrial/internal/dagger"
	"seatrial.dev/seatrial/pipelines"
)

// Promotion is what became of a promotion to a real cluster.
type Promotion struct {
	// +private
	Container *dagger.Container
}

// Outcome is promoted, planned, refused, requested, failed or rolled-back.
func (p *Promotion) Outcome(ctx context.Context) (string, error) {
	return pipelines.Outcome(ctx, p.Container)
}

// Record is the whole record, as JSON.
func (p *Promotion) Record() *dagger.File { return pipelines.Record(p.Container) }

// Text is the record as a person reads it.
func (p *Promotion) Text() *dagger.File { return pipelines.Text(p.Container) }

// Assert fails with the reasons, and the command's exit code, unless the cluster is where it was meant to be.
func (p *Promotion) Assert(ctx context.Context) error {
	return pipelines.AssertPromotion(ctx, p.Container)
}

// Sync is what a call ends with that asks for nothing else: it asserts, and returns the record's id.
func (p *Promotion) Sync(ctx context.Context) (string, error) {
	if err := p.Assert(ctx); err != nil {
		return "", err
	}
	id, err := p.Record().ID(ctx)
	return string(id), err
}

// Promote delivers the source folder's commit to a real cluster, if there is evidence that its tree passed, and watches the cluster until every layer has reconciled. By itself it fails if that is refused, or a layer does not reconcile; its record can be had either way.
//
// +cache="never"
func (m *Seatrial) Promote(
	ctx context.Context,
	// Kubeconfig of the cluster, as file://production.kubeconfig
	kubeconfig *dagger.Secret,
	// Target of the policy (.seatrial.yaml).
	//
	// +optional
	to string,
	// Promote to all targets, in the policy's waves.
	//
	// +optional
	all bool,
	// Context of the kubeconfig (default: the target's, or its current one).
	//
	// +optional
	kubeContext string,
	// Evidence of the rehearsal, as verify evidence returns it, beside that of the Git notes.
	//
	// +optional
	evidence *dagger.File,
	// Policy that holds (default: the one that guards the target already, else the tree's own).
	//
	// +optional
	policy *dagger.File,
	// Token of the Git remote and the provider's API, as env:SEATRIAL_GIT_TOKEN
	//
	// +optional
	gitToken *dagger.Secret,
	// Age key that the cluster decrypts with, for a first promotion.
	//
	// +optional
	ageKey *dagger.Secret,
	// Key that signs the artifact of an oci delivery.
	//
	// +optional
	signingKey *dagger.Secret,
	// Let PersistentVolumeClaims, Namespaces and CustomResourceDefinitions be pruned.
	//
	// +optional
	allowPrune bool,
	// Plan only, and write nothing.
	//
	// +optional
	dryRun bool,
	// Only watch what was delivered before.
	//
	// +optional
	resume bool,
	// What to do when a layer does not reconcile: stop or rollback (default: the target's).
	//
	// +optional
	onFailure string,
	// Longest time for the layers to reconcile (default: the target's budget, or the layers' own limits).
	//
	// +optional
	timeout string,
) (*Promotion, error) {
	c, err := m.pipeline().Promote(ctx, pipelines.Promote{
		To: to, All: all, Context: kubeContext, Kubeconfig: kubeconfig, Evidence: evidence, Policy: policy, Token: gitToken,
		AgeKey: ageKey, SigningKey: signingKey, AllowPrune: allowPrune, DryRun: dryRun, Resume: resume, OnFailure: onFailure, Timeout: timeout,
	})
	return &Promotion{Container: c}, err
}

// VerifyEach rehearses several clusters of the repo side by side on the embedded tier, each in a container of its own.
//
// +cache="session"
func (m *Seatrial) VerifyEach(
	ctx context.Context,
	// Folders that Flux is bootstrapped on, relative to the repo.
	paths []string,
	// Age key of the repo's SOPS files.
	//
	// +optional
	ageKey *dagger.Secret,
	// Key that signs the evidence.
	//
	// +optional
	signingKey *dagger.Secret,
) ([]*Rehearsal, error) {
	all, err := m.pipeline().VerifyEach(ctx, paths, pipelines.Verify{Cluster: pipelines.Embedded, AgeKey: ageKey, SigningKey: signingKey})
	var out []*Rehearsal
	for _, c := range all {
		out = append(out, &Rehearsal{Container: c})
	}
	return out, err
}
