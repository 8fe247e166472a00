package verdict

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/prose"
)

// Status is the state of a layer.
type Status string

// A layer is Pending until it gets one of the other states, which are final.
const (
	Pending     Status = "pending"
	Reconciled  Status = "reconciled"
	StatusFail  Status = "failed"
	Blocked     Status = "blocked"     // it waits for a layer that failed
	Unreachable Status = "unreachable" // it can never start, see Doom
	// NotRehearsed layers failed only because something did not take a placeholder for a secret value.
	NotRehearsed Status = "not-rehearsed"
)

// Doom says why a layer can never start.
type Doom int

// The reasons for which a layer is Unreachable.
const (
	NotDoomed Doom = iota
	InCycle        // it is part of a dependsOn cycle
	Dangling       // it depends on a layer that does not exist
	Asleep         // it, or a layer that declares it, is suspended
)

// doomed is a doom with its description for a person.
type doomed struct {
	Doom
	why string
}

var asleep = doomed{Asleep, "it is suspended"}

// suspended returns the doom of a suspended layer. It serves layers that only the
// cluster shows; the judge knows the repo's from the start.
func suspended(l *gitops.Layer) doomed {
	if l.Suspended {
		return asleep
	}
	return doomed{}
}

// Layer is a layer's state at a moment.
type Layer struct {
	*gitops.Layer
	Status  Status
	Message string // what it waits for or fails with
	// Doom says why it is Unreachable.
	Doom    Doom
	Seconds float64
	Objects int // in its inventory
	// Unwatched are objects of its inventory whose kinds are not watched yet.
	Unwatched []live.Ref
	// Unobserved are its objects that nothing in this tier controls.
	Unobserved []live.Ref

	failing bool // its Kustomization fails now; it may recover
	rests   bool // its Kustomization is not in progress, so it is no reason to wait
	live    *unstructured.Unstructured
	bad     []badObject
}

// Failing are the layer's Kustomization and those of its objects that keep it
// from passing; none of a layer that passed.
func (l *Layer) Failing() []live.Ref {
	if l.Status == Reconciled {
		return nil
	}
	out := []live.Ref{l.ref()}
	for _, b := range l.bad {
		out = append(out, b.ref)
	}
	return out
}

type badObject struct {
	ref     live.Ref
	live    *unstructured.Unstructured
	state   live.State
	message string
}

// look determines the state of one layer from its live Kustomization.
func (j *Judge) look(c live.View, m *gitops.Layer, now time.Time) *Layer {
	l := &Layer{Layer: m, Status: Pending, Seconds: now.Sub(j.start).Seconds()}
	l.live, _ = c.Get(l.ref())
	if d := cmp.Or(j.doomed[m.Ref], suspended(m)); d.Doom != NotDoomed {
		l.Status, l.Doom, l.Message, l.rests = Unreachable, d.Doom, d.why, true
		return l
	}
	if l.live == nil {
		l.Message, l.rests = "not applied yet", true // it moves when the layer that declares it does
		return l
	}
	j.inspect(l, c, now)
	state, message := live.Observe(l.live)
	l.Message = message
	switch {
	case state == live.Current && !j.applied(c, l):
		l.Message = "at another revision: " + applied(l.live)
	case state == live.Current && len(l.bad) == 0 && len(l.Unwatched) == 0:
		l.Status = Reconciled
		if !j.passed[m.Ref] {
			j.passed[m.Ref], j.seconds[m.Ref] = true, l.Seconds
		}
		l.Seconds = j.seconds[m.Ref]
	case state == live.Current && len(l.bad) > 0:
		b := l.bad[0]
		l.Message = b.ref.Identity() + ": " + prose.FirstLine(b.message)
		l.rests = true // settle looks at its objects one by one
	case state == live.Progressing && l.waitsForFailed():
		// Its health checks run into their time limit; that need not be waited for.
		l.Message, l.rests = l.bad[0].ref.Identity()+": "+prose.FirstLine(l.bad[0].message), true
	case state == live.Failed && live.Reason(l.live) == dependencyNotReady:
		l.rests = !j.waitsInVain(c, l.live)
	case state == live.Failed:
		l.failing, l.rests = true, true
	}
	return l
}

// waitsForFailed says whether all objects that a layer waits for have failed, and are such that can be asked to
// reconcile once more: then settle looks at them one by one.
func (l *Layer) waitsForFailed() bool {
	return len(l.bad) > 0 && len(l.Unwatched) == 0 && !slices.ContainsFunc(l.bad, func(b badObject) bool {
		return b.state != live.Failed || b.live == nil || carvel(b.ref.GroupKind) || !slices.Contains(Tracked, b.ref.GroupKind)
	})
}

func applied(u *unstructured.Unstructured) string {
	s, _, _ := unstructured.NestedString(u.Object, "status", "lastAppliedRevision")
	return s
}

// applied says whether a layer is at the rehearsed commit or, if it is built from an ExternalArtifact, at what that
// holds now. Of other sources nothing is known that it could be held against.
func (j *Judge) applied(c live.View, l *Layer) bool {
	if ref, ok := live.ExternalArtifact(l.live); ok {
		artifact, _ := c.Get(ref)
		return artifact != nil && applied(l.live) == live.Revision(artifact)
	}
	return l.Foreign || strings.HasSuffix(applied(l.live), j.revision)
}

// inspect looks at every object of a layer's inventory, and notes which are current now.
func (j *Judge) inspect(l *Layer, c live.View, now time.Time) {
	for _, ref := range live.Inventory(l.live) {
		l.Objects++
		if ref.GroupKind == gitops.KustomizationKind {
			continue // a layer of its own
		}
		u, known := c.Get(ref)
		if !known {
			l.Unwatched = append(l.Unwatched, ref)
			continue
		}
		if u == nil {
			l.bad = append(l.bad, badObject{ref, nil, live.Failed, "is in the layer's inventory, but not in the cluster"})
			continue
		}
		switch state, message := j.observe(u); state {
		case live.Current:
			j.times.ready.note(ref, now)
		case live.Unobserved:
			l.Unobserved = append(l.Unobserved, ref)
		default:
			l.bad = append(l.bad, badObject{ref, u, state, message})
		}
	}
	// Failed objects come first: they explain more than objects that wait for them.
	slices.SortStableFunc(l.bad, func(a, b badObject) int { return -cmp.Compare(a.state, b.state) })
}

// EndAll ends all layers that are still pending, because the time is up.
func EndAll(a *Assessment) {
	conclude(a.Layers)
	a.Final = true
}

// conclude turns pending layers into failed ones, or into blocked ones if they only
// wait for others.
func conclude(layers []*Layer) {
	byRef := map[gitops.Ref]*Layer{}
	for _, l := range layers {
		byRef[l.Ref] = l
	}
	for _, l := range layers {
		if l.Status != Pending {
			continue
		}
		waits := l.live == nil || live.Reason(l.live) == dependencyNotReady
		for _, d := range l.DependsOn {
			if dep := byRef[d.Ref]; dep != nil && dep.Status != Reconciled && waits {
				l.Status, l.Message = Blocked, "waits for "+d.Name
			}
		}
		maker, unmade := unmade(l, layers)
		switch {
		case l.Status != Pending:
		case l.live == nil:
			l.Status, l.Message = Blocked, "was not applied: the layer that declares it failed"
		case unmade:
			l.Status, l.Message = Blocked, "waits for "+maker.Identity()
		default:
			l.Status = StatusFail
		}
	}
}

// unmade returns what a layer waits for among what the layers fail for: its source, or the ArtifactGenerator that is to make
// what the layer is built from; false if there is none.
func unmade(l *Layer, layers []*Layer) (live.Ref, bool) {
	if l.live == nil || live.Reason(l.live) != "ArtifactFailed" {
		return live.Ref{}, false
	}
	artifact, external := live.ExternalArtifact(l.live)
	source := artifact
	if !external {
		kind, _, _ := unstructured.NestedString(l.live.Object, "spec", "sourceRef", "kind")
		source.GroupKind = schema.GroupKind{Group: gitops.SourceGroup, Kind: kind}
	}
	for _, by := range layers {
		for _, b := range by.bad {
			if b.ref == source {
				return b.ref, true
			}
			if external && b.ref.GroupKind == gitops.ArtifactGeneratorKind && b.live != nil && live.Makes(b.live, artifact) {
				return b.ref, true
			}
		}
	}
	return live.Ref{}, false
}
