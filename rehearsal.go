package main

import (
	"context"

	"seatrial.dev/seatrial/internal/dagger"
	"seatrial.dev/seatrial/pipelines"
)

// Rehearsal is what became of a repo.
type Rehearsal struct {
	// +private
	Container *dagger.Container
}

// Layer is what became of one Kustomization.
type Layer struct {
	Name      string
	Namespace string
	// Status is reconciled, failed, blocked or unreachable.
	Status string
	// Message says what a layer that did not reconcile fails with or waits for.
	Message string
	// Objects in its inventory.
	Objects int
	// Seconds from bootstrap until it was reconciled, or until the verdict.
	Seconds float64
}

// Verdict is pass, pass-with-accepted (the repo accepts what is wrong), fail, or inconclusive (the machine, not the repo, kept layers from reconciling).
func (r *Rehearsal) Verdict(ctx context.Context) (string, error) {
	report, err := pipelines.Read(ctx, r.Container)
	if err != nil {
		return "", err
	}
	return report.Verdict, nil
}

// Layers are the repo's layers, in order.
func (r *Rehearsal) Layers(ctx context.Context) ([]*Layer, error) {
	report, err := pipelines.Read(ctx, r.Container)
	if err != nil {
		return nil, err
	}
	var out []*Layer
	for _, l := range report.Layers {
		out = append(out, &Layer{Name: l.Name, Namespace: l.Namespace, Status: l.Status, Message: l.Message, Objects: l.Objects, Seconds: l.Seconds})
	}
	return out, nil
}

// Report is the whole report, as JSON.
func (r *Rehearsal) Report() *dagger.File { return pipelines.Output(r.Container, "report.json") }

// Junit is the report as JUnit XML: a test case for each layer.
func (r *Rehearsal) Junit() *dagger.File { return pipelines.Output(r.Container, "junit.xml") }

// Summary is the report as Markdown, for a CI system's job page.
func (r *Rehearsal) Summary() *dagger.File { return pipelines.Output(r.Container, "summary.md") }

// Evidence says what the rehearsal proved, as DSSE envelopes, one a line; signed if verify was given a signing key.
func (r *Rehearsal) Evidence() *dagger.File { return pipelines.Evidence(r.Container) }

// Logs are the controllers' logs, and what flux and kubectl tell of failures.
func (r *Rehearsal) Logs() *dagger.Directory { return pipelines.Logs(r.Container) }

// Outputs are the reports in every format, and the logs, in one folder.
func (r *Rehearsal) Outputs(ctx context.Context) (*dagger.Directory, error) {
	return pipelines.Outputs(ctx, r.Container)
}

// Assert fails with the findings, and the command's exit code, unless every layer reconciled.
func (r *Rehearsal) Assert(ctx context.Context) error { return pipelines.Assert(ctx, r.Container) }

// Sync is what a call ends with that asks for nothing else: it asserts, and returns the report's id.
func (r *Rehearsal) Sync(ctx context.Context) (string, error) {
	if err := r.Assert(ctx); err != nil {
		return "", err
	}
	id, err := r.Report().ID(ctx)
	return string(id), err
}
