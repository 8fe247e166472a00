// Package rehearse is the rehearsal, as a list of steps to be read from top to bottom.
package rehearse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/declaration"
	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/follow"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/platform"
	"seatrial.dev/seatrial/internal/prerequisite"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/standin"
	"seatrial.dev/seatrial/internal/standin/ondemand"
	"seatrial.dev/seatrial/internal/timing"
	"seatrial.dev/seatrial/internal/verdict"
)

// Options are what is rehearsed, and how.
type Options struct {
	// Subject is the tree.
	Subject SubjectOptions
	// Sources says from where charts, packages and other repositories are taken. A cluster without a door
	// takes them from stand-ins or, if Live, from where they are.
	Sources egress.Mode
	// Platform is what the repo takes for granted of its cluster.
	Platform platform.Platform
	// Declares is what the repo says of its own rehearsal, Today the day for which that holds, and Whole is true if no other
	// cluster of the repo is left out: what is accepted of another is not missed here.
	Declares declaration.Declaration
	Today    time.Time
	Whole    bool
	// Enforced is true if the cluster itself enforces the Platform's Pod Security default.
	Enforced bool
	// Log receives the logs and the like that are collected at the end, as files; nil:
	// none are collected.
	Log func(name string, text []byte) error
	// Timeout is the longest time for the layers to reconcile.
	Timeout  time.Duration
	Versions map[string]string
	// Path is the critical path so far; nil: it begins with Run.
	Path *timing.Path
}

// Console is told how a rehearsal goes.
type Console interface {
	// Step says what is done now; the returned function says that it is over.
	Step(title string) func(err error)
	// Note says something once.
	Note(text string)
	// Conceal has all later output pass through f, which takes secret values out.
	Conceal(f func(string) string)
	// Layers shows the layers' state whenever it changes.
	Layers(layers []*verdict.Layer, elapsed time.Duration)
}

// rehearsal is the state that the steps share. The comment of a field names the step
// that sets it.
type rehearsal struct {
	Options
	console Console
	cluster cluster.Provider
	report  *report.Report

	subject  *Subject                  // read
	booted   bool                      // up
	starting context.Context           // up, until complete: ends with the error of a controller that does not start
	started  func() error              // up: waits for the controllers
	waiting  []prerequisite.Assumption // assume: what is made once something else is there
	remote   cluster.Remote            // publish
	door     *egress.Door              // publish; nil: the cluster has none
	served   []standin.Served          // standIn
	synced   *gitrepo.Snapshot         // sync: what Flux reconciles; until then, the tree that was read
	unwatch  func()                    // judge
	judged   *verdict.Judge            // judge
	followed *follow.Follower          // judge
	failing  []live.Ref                // decide
	finished bool                      // no further step makes sense
	maker    *ondemand.Maker           // standIn; nil: charts were put in place beforehand, or none were
	pinned   []ondemand.Pin            // standIn
}

// phase is a group of steps that is one line on the console, if it has a title, and one
// time in the report.
type phase struct {
	title string
	time  *float64
	steps []step
}

// step is a part of a phase.
type step struct {
	run func(context.Context) error
	// what it does and whose time it takes, for the critical path. A step without adds
	// its own spans.
	what, of string
}

// phases are all that a rehearsal does.
func (r *rehearsal) phases() []phase {
	t := &r.report.Timings
	return []phase{
		{"read the repo", nil, []step{{r.read, "read the repo", timing.Ours}}},
		{"boot the cluster", &t.Boot, []step{{r.up, "", ""}}},
		{"bootstrap Flux", &t.Bootstrap, []step{
			{r.publish, "publish the tree", timing.Ours},       // for Flux to clone
			{r.standIn, "put stand-ins in place", timing.Ours}, // for charts and packages
			{r.gates, "", ""},
			{r.extend, "", ""}, // before the policies, which keep Flux's kinds as they are
			{r.redirect, "admission policies come into force", timing.APIServer}, // that point the repo's sources at both
			{r.giveKeys, "create the Secrets with keys", timing.APIServer},       // that decrypt SOPS files
			{r.assume, "make what is there before Flux", timing.APIServer},       // by a bootstrap step, or by hand
			{r.complete, "", ""}, // until then, the controllers were starting
			{r.sync, "start Flux's sync", timing.Flux},
		}},
		{"", &t.Reconcile, []step{{r.judge, "", ""}}},
		{"", nil, []step{{r.decide, "decide and explain", timing.Ours}}},
	}
}

// Run rehearses a repo on a cluster and returns the report. The caller has to end the cluster,
// which is up if there is no error and the repo is not too large to be rehearsed.
func Run(ctx context.Context, o Options, c cluster.Provider, console Console) (*report.Report, error) {
	if o.Path == nil {
		o.Path = timing.Begin(time.Now())
	}
	r := &rehearsal{Options: o, console: console, cluster: c, unwatch: func() {}, report: report.New(c.Tier(), o.Versions)}
	defer func() { r.unwatch() }()
	if staged, ok := c.(cluster.Staged); ok {
		staged.Begin(ctx)
	}
	for _, p := range r.phases() {
		if r.finished {
			break
		}
		if err := r.run(ctx, p); err != nil {
			r.diagnose(ctx)
			return nil, err
		}
	}
	r.diagnose(ctx)
	if !r.finished {
		r.report.BlindSpots = append(r.report.BlindSpots, r.subject.unredacted()...)
	}
	r.report.Conceal(r.subject.Known.Text)
	return r.report, nil
}

// run takes the steps of a phase.
func (r *rehearsal) run(ctx context.Context, p phase) (err error) {
	done, start := func(error) {}, time.Now()
	if p.title != "" {
		done = r.console.Step(p.title)
	}
	for _, s := range p.steps {
		if err = r.step(ctx, s); err != nil {
			break
		}
		if s.what != "" {
			r.Path.Until(time.Now(), s.what, s.of)
		}
	}
	if p.time != nil {
		*p.time = time.Since(start).Seconds()
	}
	if r.finished && err == nil {
		done(errTooLarge)
		return nil
	}
	var several *Several
	if errors.As(err, &several) {
		done(nil) // each is a rehearsal of its own
		return err
	}
	done(err)
	return err
}

// step takes a step. While controllers start, one that does not ends it.
func (r *rehearsal) step(ctx context.Context, s step) error {
	during := ctx
	if r.starting != nil {
		during = r.starting
	}
	err := s.run(during)
	if why := context.Cause(during); err != nil && why != nil && ctx.Err() == nil {
		return why
	}
	return err
}

// errTooLarge marks the reading of a repo that nothing follows on.
var errTooLarge = errors.New("a file or layer is more than can be read")

// decide has the verdict given, and writes it into the report.
func (r *rehearsal) decide(ctx context.Context) (err error) {
	f := r.followed
	d := r.judged.Decide(f.View, f.Last, r.subject.Static, f.Late)
	r.console.Layers(f.Last.Layers, f.Took) // Decide may have failed a layer whose pods or routes refer to something missing
	r.failing = d.Failing
	r.report.Verdict, r.report.Findings = d.Verdict, slices.Concat([]finding.Finding{}, r.report.Findings, d.Findings, r.stale(d))
	for _, o := range d.Layers {
		r.report.Layers = append(r.report.Layers, report.LayerOf(o))
	}
	r.report.BlindSpots = slices.Concat(r.cluster.BlindSpots(), r.report.BlindSpots, d.BlindSpots)
	if r.report.Demand, err = demandOf(ctx, r.cluster.Client()); err != nil {
		return fmt.Errorf("add up what the repo asks of its cluster: %w", err)
	}
	r.answers()
	r.tellStandIns()
	r.sayWhy()
	if r.report.Sources, err = r.sources(ctx); err != nil {
		return fmt.Errorf("look at the sources: %w", err)
	}
	if theirs, ours := r.subject.Repo.FluxVersion(), r.Versions["flux"]; theirs != "" && theirs != ours {
		r.report.BlindSpots = append(r.report.BlindSpots, finding.Unseen(finding.FluxVersion, "the repo was bootstrapped with Flux %s; Flux %s and its CRDs were rehearsed", theirs, ours))
	}
	return nil
}
