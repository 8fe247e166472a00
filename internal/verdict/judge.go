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
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/gitops"
)

// Status is what became of a layer.
type Status string

// The end of a layer; Pending before that.
const (
	Pending     Status = "pending"
	Reconciled  Status = "reconciled"
	StatusFail  Status = "failed"
	Blocked     Status = "blocked"     // it waits for a layer that failed
	Unreachable Status = "unreachable" // no order of events lets it start
)

// ObjectRef names an object of the cluster.
type ObjectRef struct {
	schema.GroupKind
	Namespace, Name string
}

// Identity is Kind/namespace/name.
func (r ObjectRef) Identity() string { return gitops.Identity(r.Kind, r.Namespace, r.Name) }

func refOf(u *unstructured.Unstructured) ObjectRef {
	return ObjectRef{u.GroupVersionKind().GroupKind(), u.GetNamespace(), u.GetName()}
}

// Cluster is what is known of the cluster's objects at a moment.
type Cluster interface {
	// Get returns an object, or nil. known is false if its kind is not watched yet.
	Get(ref ObjectRef) (u *unstructured.Unstructured, known bool)
	// List returns the objects of a kind.
	List(gk schema.GroupKind) []*unstructured.Unstructured
}

// Layer is a layer's state at a moment.
type Layer struct {
	*gitops.Layer
	Status  Status
	Message string // what it waits for or fails with
	Seconds float64
	Objects int // in its inventory
	// Unwatched are objects of its inventory whose kinds are not watched yet.
	Unwatched []ObjectRef
	// Unobserved are its objects that nothing in this tier controls.
	Unobserved []ObjectRef

	failing bool // it fails now, and may recover
	rests   bool // nothing of it moves by itself
	live    *unstructured.Unstructured
	bad     []badObject
}

// Failing are the layer's Kustomization and those of its objects that keep it
// from passing; none of a layer that passed.
func (l *Layer) Failing() []ObjectRef {
	if l.Status == Reconciled {
		return nil
	}
	out := []ObjectRef{{layerKind, l.Namespace, l.Name}}
	for _, b := range l.bad {
		out = append(out, b.ref)
	}
	return out
}

type badObject struct {
	ref     ObjectRef
	live    *unstructured.Unstructured
	state   State
	message string
}

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

	doomed  map[gitops.Ref]string // layers that can never start, and why
	digests map[ObjectRef]string
	changed time.Time           // when the cluster last changed
	asked   map[ObjectRef]ask   // what was asked to try again
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
		doomed: map[gitops.Ref]string{}, digests: map[ObjectRef]string{}, asked: map[ObjectRef]ask{},
		passed: map[gitops.Ref]bool{}, seconds: map[gitops.Ref]float64{},
	}
	for _, circle := range repo.Cycles() {
		for _, l := range circle {
			j.doomed[l.Ref] = "it is part of a dependsOn cycle: " + Circle(circle)
		}
	}
	for _, l := range repo.Layers {
		for _, d := range l.DependsOn {
			if repo.Layer(d.Ref) == nil && !repo.Opaque() && j.doomed[l.Ref] == "" {
				j.doomed[l.Ref] = fmt.Sprintf("it depends on %s, which does not exist", d.Ref)
			}
		}
		if repo.Asleep(l) && j.doomed[l.Ref] == "" {
			j.doomed[l.Ref] = "it is suspended"
		}
	}
	return j
}

// Circle writes a cycle as a → b → a.
func Circle(circle []*gitops.Layer) string {
	names := make([]string, 0, len(circle)+1)
	for _, l := range circle {
		names = append(names, l.Name)
	}
	return strings.Join(append(names, circle[0].Name), " → ")
}

// Retry asks for one more attempt at an object.
type Retry struct {
	ObjectRef
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

var (
	layerKind   = schema.GroupKind{Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization"}
	releaseKind = schema.GroupKind{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease"}
	installKind = schema.GroupKind{Group: "packaging.carvel.dev", Kind: "PackageInstall"}
	appKind     = schema.GroupKind{Group: "kappctrl.k14s.io", Kind: "App"}
)

// Tracked are the kinds whose every change counts as movement.
var Tracked = []schema.GroupKind{
	layerKind, releaseKind,
	{Group: "source.toolkit.fluxcd.io", Kind: "GitRepository"}, {Group: "source.toolkit.fluxcd.io", Kind: "HelmRepository"},
	{Group: "source.toolkit.fluxcd.io", Kind: "HelmChart"}, {Group: "source.toolkit.fluxcd.io", Kind: "OCIRepository"},
	{Group: "source.toolkit.fluxcd.io", Kind: "Bucket"},
	installKind, appKind, {Group: "packaging.carvel.dev", Kind: "PackageRepository"},
}

// Assess looks at the cluster at a moment.
func (j *Judge) Assess(c Cluster, now time.Time) Assessment {
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
		if len(a.Retries) == 0 && j.answered(failing, now) {
			a.Final = true
			conclude(a.Layers)
		}
	}
	return a
}

// layers are those of the repo and every other Kustomization that is live:
// what the repo's files don't tell of must reconcile all the same.
func (j *Judge) layers(c Cluster) []*gitops.Layer {
	out := slices.Clone(j.repo.Layers)
	for _, u := range c.List(layerKind) {
		ref := gitops.Ref{Namespace: u.GetNamespace(), Name: u.GetName()}
		if j.repo.Layer(ref) == nil {
			out = append(out, gitops.Discovered(u))
		}
	}
	slices.SortStableFunc(out[len(j.repo.Layers):], func(a, b *gitops.Layer) int { return cmp.Compare(a.String(), b.String()) })
	return out
}

// Conclude ends all layers that are still open: the time is up.
func Conclude(a *Assessment) {
	conclude(a.Layers)
	a.Final = true
}

// conclude turns what is open into failed, or blocked if it only waits.
func conclude(layers []*Layer) {
	byRef := map[gitops.Ref]*Layer{}
	for _, l := range layers {
		byRef[l.Ref] = l
	}
	for _, l := range layers {
		if l.Status != Pending {
			continue
		}
		waits := l.live == nil || reason(l.live) == "DependencyNotReady"
		for _, d := range l.DependsOn {
			if dep := byRef[d.Ref]; dep != nil && dep.Status != Reconciled && waits {
				l.Status, l.Message = Blocked, "waits for "+d.Name
			}
		}
		switch {
		case l.Status != Pending:
		case l.live == nil:
			l.Status, l.Message = Blocked, "was not applied: the layer that declares it failed"
		default:
			l.Status = StatusFail
		}
	}
}

func reason(u *unstructured.Unstructured) string {
	c, _ := condition(u, "Ready")
	return c.Reason
}

// notice remembers when anything last changed in a way that matters: a
// controller that repeats itself is at rest.
func (j *Judge) notice(c Cluster, now time.Time) {
	for _, gk := range Tracked {
		for _, u := range c.List(gk) {
			ref := refOf(u)
			if d := digest(u); j.digests[ref] != d {
				j.digests[ref] = d
				if a, ok := j.asked[ref]; !ok || handled(u) == a.token && !sameFailure(u) {
					j.changed = now
				}
			}
		}
	}
}

// sameFailure says that an object which was asked to try again only went
// through the motions.
func sameFailure(u *unstructured.Unstructured) bool {
	state, _ := Observe(u)
	return state == Failed || state == Progressing
}

// digest is what of an object counts as a change.
func digest(u *unstructured.Unstructured) string {
	var b strings.Builder
	fmt.Fprint(&b, u.GetUID(), " ", u.GetGeneration(), " ")
	for _, c := range conditions(u) {
		fmt.Fprint(&b, c.Type, c.Status, c.Reason, normal(c.Message), ";")
	}
	for _, field := range []string{"lastAppliedRevision", "lastAttemptedRevision", "usefulErrorMessage"} {
		s, _, _ := unstructured.NestedString(u.Object, "status", field)
		fmt.Fprint(&b, normal(s), ";")
	}
	return b.String()
}

// normal removes what differs between two tellings of the same thing.
func normal(message string) string { return number.ReplaceAllString(message, "#") }

func handled(u *unstructured.Unstructured) string {
	s, _, _ := unstructured.NestedString(u.Object, "status", "lastHandledReconcileAt")
	return s
}

// look decides what one layer's live object says.
func (j *Judge) look(c Cluster, m *gitops.Layer, now time.Time) *Layer {
	l := &Layer{Layer: m, Status: Pending, Seconds: now.Sub(j.start).Seconds()}
	l.live, _ = c.Get(ObjectRef{layerKind, m.Namespace, m.Name})
	if why, ok := j.doomed[m.Ref]; ok || m.Suspended {
		why = cmp.Or(why, "it is suspended")
		l.Status, l.Message, l.rests = Unreachable, why, true
		return l
	}
	if l.live == nil {
		l.Message, l.rests = "not applied yet", true // it moves when the layer that declares it does
		return l
	}
	l.inspect(c)
	state, message := Observe(l.live)
	l.Message = message
	switch {
	case state == Current && !m.Foreign && !j.applied(l.live):
		l.Message = "at another revision: " + applied(l.live)
	case state == Current && len(l.bad) == 0 && len(l.Unwatched) == 0:
		l.Status = Reconciled
		if !j.passed[m.Ref] {
			j.passed[m.Ref], j.seconds[m.Ref] = true, l.Seconds
		}
		l.Seconds = j.seconds[m.Ref]
	case state == Current && len(l.bad) > 0:
		b := l.bad[0]
		l.Message = b.ref.Identity() + ": " + firstLine(b.message)
		l.rests = true // its objects are looked at one by one
	case state == Failed && reason(l.live) == "DependencyNotReady":
		l.rests = true
	case state == Failed:
		l.failing, l.rests = true, true
	}
	return l
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

func applied(u *unstructured.Unstructured) string {
	s, _, _ := unstructured.NestedString(u.Object, "status", "lastAppliedRevision")
	return s
}

// applied says whether a layer is at the rehearsed commit.
func (j *Judge) applied(u *unstructured.Unstructured) bool {
	return strings.HasSuffix(applied(u), "sha1:"+j.revision)
}

// settle says whether anything moves by itself, and what fails. A layer that
// waits for a doomed or failed one is blocked.
func (j *Judge) settle(c Cluster, layers []*Layer) (moving bool, failing []*unstructured.Unstructured) {
	byRef := map[gitops.Ref]*Layer{}
	for _, l := range layers {
		byRef[l.Ref] = l
	}
	for range layers { // as often as the longest chain of blocked layers
		for _, l := range layers {
			for _, d := range l.DependsOn {
				dep := byRef[d.Ref]
				if l.Status == Pending && dep != nil && (dep.Status == Unreachable || dep.Status == Blocked) {
					l.Status, l.Message, l.rests = Blocked, "waits for "+d.Name, true
				}
			}
		}
	}
	for _, l := range layers {
		if l.Status != Pending {
			continue
		}
		if !l.rests || len(l.Unwatched) > 0 {
			moving = true
		}
		if l.failing {
			failing = append(failing, l.live)
		}
		for _, b := range l.bad {
			if b.state == Progressing && b.ref.GroupKind != installKind && b.ref.GroupKind != releaseKind {
				moving = true
			}
		}
	}
	for _, gk := range Tracked {
		if gk == layerKind || gk == appKind {
			continue
		}
		for _, u := range c.List(gk) {
			switch state, _ := Observe(u); state {
			case Progressing:
				moving = true
			case Failed:
				if reason(u) != "DependencyNotReady" { // else what it waits for is looked at
					failing = append(failing, u)
				}
			}
		}
	}
	return moving, failing
}

// retries asks everything that fails to try again, once for every rest.
func (j *Judge) retries(failing []*unstructured.Unstructured, now time.Time) []Retry {
	var out []Retry
	for _, u := range failing {
		ref := refOf(u)
		if carvel(ref.GroupKind) {
			continue // kapp-controller tries again by itself, after 2, 4, 8 … seconds
		}
		if a, ok := j.asked[ref]; ok && a.at.After(j.changed) {
			continue
		}
		a := ask{token: now.UTC().Format(time.RFC3339Nano), at: now}
		j.asked[ref] = a
		out = append(out, Retry{ref, a.token})
	}
	return out
}

func carvel(gk schema.GroupKind) bool {
	return strings.HasSuffix(gk.Group, "carvel.dev") || gk == appKind
}

// answered says whether everything that fails has failed again since it was asked.
// A controller that does not answer for as long as a stall has had its chance.
func (j *Judge) answered(failing []*unstructured.Unstructured, now time.Time) bool {
	for _, u := range failing {
		ref := refOf(u)
		if carvel(ref.GroupKind) {
			if n, found, _ := unstructured.NestedInt64(u.Object, "status", "consecutiveReconcileFailures"); found && n < 2 && now.Sub(j.changed) < j.patience.Stall {
				return false
			}
			continue
		}
		if a := j.asked[ref]; handled(u) != a.token && now.Sub(a.at) < j.patience.Stall {
			return false
		}
	}
	return true
}
