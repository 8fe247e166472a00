// Package verdict decides whether each layer passes, from the state of the cluster and
// the model of the repo.
//
// It is pure: callers pass the time and the cluster's objects in. A layer passes on
// evidence only: it is at the rehearsed revision, and every object of its inventory is
// current. It fails as soon as no change in the cluster can help it any more: when the
// cluster is at rest, each failing object is asked to reconcile once more, and one that
// fails again has failed for good.
package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/placeholder"
	"seatrial.dev/seatrial/internal/platform"
)

// Patience is how long the cluster must not have changed before the judge acts.
type Patience struct {
	Retry time.Duration // if nothing is in progress: until failing objects are retried
	Stall time.Duration // if an object claims to be in progress
	// Settle is how long the judge waits for reports on objects that no controller has
	// reported on, on a tier whose real pods may run such a controller; else 0.
	Settle time.Duration
	// FixedNodes is true where no node will ever be added, nor a volume made late: what can't be
	// scheduled now never will be.
	FixedNodes bool
}

// DefaultPatience suits a cluster whose pods are simulated.
var DefaultPatience = Patience{Retry: 2 * time.Second, Stall: 25 * time.Second, FixedNodes: true}

// Judge follows one rehearsal.
type Judge struct {
	repo     *gitops.Repo
	revision string
	patience Patience
	platform platform.Platform
	enforced bool // by the cluster: the platform's default of Pod Security
	excuse   func([]finding.Finding) []finding.Finding
	start    time.Time

	placeholders *placeholder.Set // values that the repo does not have; nil: none

	doomed   map[gitops.Ref]doomed // layers that can never start
	digests  map[live.Ref]string
	versions map[live.Ref]string     // of the objects, when notice looked at them last
	states   map[live.Ref]observed   // of the objects, when observe looked at them last
	changed  time.Time               // when the cluster last changed
	asked    map[live.Ref]ask        // the objects that were asked to reconcile again
	woken    map[live.Ref]time.Time  // the objects that wait in vain: when they were woken last
	unplaced map[types.UID]time.Time // pods that no node takes, and since when
	times    timeline
	passed   map[gitops.Ref]bool // layers that have reconciled, with their time in seconds
	seconds  map[gitops.Ref]float64
}

type ask struct {
	token string
	at    time.Time
}

// NewJudge starts a judge of repo at a revision: a commit, or sha256: and the digest of an OCI artifact.
func NewJudge(repo *gitops.Repo, commit string, p Patience, now time.Time) *Judge {
	j := &Judge{
		repo: repo, revision: prefixed(commit), patience: p, start: now, changed: now,
		doomed: map[gitops.Ref]doomed{}, passed: map[gitops.Ref]bool{}, seconds: map[gitops.Ref]float64{},
		digests: map[live.Ref]string{}, versions: map[live.Ref]string{}, states: map[live.Ref]observed{},
		asked: map[live.Ref]ask{}, woken: map[live.Ref]time.Time{}, unplaced: map[types.UID]time.Time{}, times: newTimeline(),
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

// prefixed is a revision as Flux reports it, with the name of its hash.
func prefixed(revision string) string {
	if strings.Contains(revision, ":") {
		return revision
	}
	return "sha1:" + revision
}

// On tells the judge what the repo takes for granted of its cluster; enforced says that the
// rehearsal's own cluster enforces its Pod Security default.
func (j *Judge) On(p platform.Platform, enforced bool) { j.platform, j.enforced = p, enforced }

// Retry is an object that should be asked to reconcile once more.
type Retry struct {
	live.Ref
	Token string // value of the annotation reconcile.fluxcd.io/requestedAt
}

// Assessment is the state of all layers at a moment.
type Assessment struct {
	Layers []*Layer
	// Final is true when no layer will change any more.
	Final bool
	// Retries are the objects to ask for one more reconciliation now.
	Retries []Retry
	// Wakes are the objects to ask for a reconciliation now because what they wait for is ready.
	Wakes []Retry
}

// Tracked are the kinds that are watched from the start. A change of any object of
// these kinds means that the cluster is not at rest.
var Tracked = []schema.GroupKind{
	gitops.KustomizationKind, gitops.HelmReleaseKind, gitops.GitRepositoryKind, gitops.HelmRepositoryKind, gitops.HelmChartKind,
	gitops.OCIRepositoryKind, gitops.BucketKind, gitops.ExternalArtifactKind, gitops.ArtifactGeneratorKind, gitops.PackageInstallKind, gitops.AppKind, gitops.PackageRepositoryKind,
}

// Assess determines the state of all layers from the cluster's objects at the time now.
func (j *Judge) Assess(c live.View, now time.Time) Assessment {
	j.notice(c, now)
	a := Assessment{Wakes: j.wakes(c, now)}
	for _, l := range j.layers(c) {
		a.Layers = append(a.Layers, j.look(c, l, now))
	}
	j.noteTimes(c, a.Layers, now)
	moving, failing := j.settle(c, a.Layers, now)
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

// layers returns the repo's layers and, in addition, every other live Kustomization:
// layers that the repo's files don't show must reconcile, too.
func (j *Judge) layers(c live.View) []*gitops.Layer {
	out := slices.Clone(j.repo.Layers)
	for _, u := range c.List(gitops.KustomizationKind) {
		ref := gitops.Ref{Namespace: u.GetNamespace(), Name: u.GetName()}
		if j.repo.Layer(ref) == nil {
			out = append(out, j.repo.Discovered(u))
		}
	}
	slices.SortStableFunc(out[len(j.repo.Layers):], func(a, b *gitops.Layer) int { return cmp.Compare(a.String(), b.String()) })
	return out
}
