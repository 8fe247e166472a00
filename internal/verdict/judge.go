// Package verdict decides what became of each layer, from what the cluster says
// and what the repo's model says.
//
// It is pure: the clock and the cluster's objects are given to it. A layer
// passes on evidence only (the rehearsed revision, every object of its
// inventory current). It fails as soon as nothing that still moves can help it:
// when all else has come to rest, whatever fails is asked to try once more, and
// what fails again has failed for good.
package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
)

// Patience is how long the cluster has to be at rest before a verdict.
type Patience struct {
	Retry time.Duration // nothing moves but what fails
	Stall time.Duration // something claims to make progress
	// Settle is how long objects that no controller has spoken of are waited for,
	// where controllers run that may.
	Settle time.Duration
}

// DefaultPatience suits a cluster whose pods are simulated.
var DefaultPatience = Patience{Retry: 2 * time.Second, Stall: 25 * time.Second}

// Judge follows one rehearsal.
type Judge struct {
	repo     *gitops.Repo
	revision string
	patience Patience
	start    time.Time

	doomed  map[gitops.Ref]doomed // layers that can never start
	digests map[live.Ref]string
	changed time.Time           // when the cluster last changed
	asked   map[live.Ref]ask    // what was asked to try again
	passed  map[gitops.Ref]bool // layers already timed
	seconds map[gitops.Ref]float64
}

type ask struct {
	token string
	at    time.Time
}

// NewJudge starts a judge for a rehearsal of repo at a commit.
func NewJudge(repo *gitops.Repo, commit string, p Patience, now time.Time) *Judge {
	j := &Judge{
		repo: repo, revision: commit, patience: p, start: now, changed: now,
		doomed: map[gitops.Ref]doomed{}, digests: map[live.Ref]string{}, asked: map[live.Ref]ask{},
		passed: map[gitops.Ref]bool{}, seconds: map[gitops.Ref]float64{},
	}
	for _, circle := range repo.Cycles() {
		for _, l := range circle {
			j.doomed[l.Ref] = doomed{InCycle, "it is part of a dependsOn cycle: " + gitops.Circle(circle)}
		}
	}
	for _, l := range repo.Layers {
		for _, d := range l.DependsOn {
			if _, known := j.doomed[l.Ref]; repo.Layer(d.Ref) == nil && !repo.Opaque() && !known {
				j.doomed[l.Ref] = doomed{Dangling, fmt.Sprintf("it depends on %s, which does not exist", d.Ref)}
			}
		}
		if _, known := j.doomed[l.Ref]; repo.Asleep(l) && !known {
			j.doomed[l.Ref] = asleep
		}
	}
	return j
}

// Retry asks for one more attempt at an object.
type Retry struct {
	live.Ref
	Token string // to put into the requestedAt annotation
}

// Assessment is the state of all layers at a moment.
type Assessment struct {
	Layers []*Layer
	// Final is true when no layer will change any more.
	Final bool
	// Retries are to be asked for now.
	Retries []Retry
}

// Tracked are the kinds whose every change counts as movement.
var Tracked = []schema.GroupKind{
	gitops.KustomizationKind, gitops.HelmReleaseKind, gitops.GitRepositoryKind, gitops.HelmRepositoryKind, gitops.HelmChartKind,
	gitops.OCIRepositoryKind, gitops.BucketKind, gitops.PackageInstallKind, gitops.AppKind, gitops.PackageRepositoryKind,
}

// Assess looks at the cluster at a moment.
func (j *Judge) Assess(c live.View, now time.Time) Assessment {
	j.notice(c, now)
	a := Assessment{}
	for _, l := range j.layers(c) {
		a.Layers = append(a.Layers, j.look(c, l, now))
	}
	moving, failing := j.settle(c, a.Layers)
	rest := now.Sub(j.changed)
	open := slices.ContainsFunc(a.Layers, func(l *Layer) bool { return l.Status == Pending })
	silent := slices.ContainsFunc(a.Layers, func(l *Layer) bool { return len(l.Unobserved) > 0 })
	switch {
	case !open && silent && rest < j.patience.Settle:
	case !open:
		a.Final = true
	case rest < j.patience.Retry || moving && rest < j.patience.Stall:
	default:
		a.Retries = j.retries(failing, now)
		if len(a.Retries) == 0 && j.answered(c, failing, now) {
			a.Final = true
			conclude(a.Layers)
		}
	}
	return a
}

// layers are those of the repo and every other Kustomization that is live:
// what the repo's files don't tell of must reconcile all the same.
func (j *Judge) layers(c live.View) []*gitops.Layer {
	out := slices.Clone(j.repo.Layers)
	for _, u := range c.List(gitops.KustomizationKind) {
		ref := gitops.Ref{Namespace: u.GetNamespace(), Name: u.GetName()}
		if j.repo.Layer(ref) == nil {
			out = append(out, gitops.Discovered(u))
		}
	}
	slices.SortStableFunc(out[len(j.repo.Layers):], func(a, b *gitops.Layer) int { return cmp.Compare(a.String(), b.String()) })
	return out
}
