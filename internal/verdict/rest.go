package verdict

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
)

// number matches what differs when a controller repeats a message: counts and durations.
var number = regexp.MustCompile(`\d+(\.\d+)?(m?s|m)?`)

// notice records the time of the last relevant change. A controller that only repeats
// itself is at rest. An object that was asked to reconcile again counts as changed only
// if it does so successfully.
func (j *Judge) notice(c live.View, now time.Time) {
	for _, gk := range Tracked {
		for _, u := range c.List(gk) {
			ref := live.RefOf(u)
			v := u.GetResourceVersion()
			if v != "" && j.versions[ref] == v {
				continue // looked at already
			}
			j.versions[ref] = v
			if d := digest(u); j.digests[ref] != d {
				j.digests[ref] = d
				if a, ok := j.asked[ref]; !ok || handled(u) == a.token && !sameFailure(u) {
					j.changed = now
				}
			}
		}
	}
}

// observed is what an object's state was at a version of it.
type observed struct {
	version string
	state   live.State
	message string
}

// observe is live.Observe, which it asks once for each version of an object. What is in progress
// is asked about again, as some of that only counts as failed after a while.
func (j *Judge) observe(u *unstructured.Unstructured) (live.State, string) {
	ref, v := live.RefOf(u), u.GetResourceVersion()
	if o, ok := j.states[ref]; ok && v != "" && o.version == v {
		return o.state, o.message
	}
	state, message := live.Observe(u)
	delete(j.states, ref)
	if state != live.Progressing {
		j.states[ref] = observed{v, state, message}
	}
	return state, message
}

// sameFailure says whether an object that was asked to reconcile again has not
// recovered: it fails, or is still at it.
func sameFailure(u *unstructured.Unstructured) bool {
	state, _ := live.Observe(u)
	return state == live.Failed || state == live.Progressing
}

// digest returns the parts of an object whose change is relevant.
func digest(u *unstructured.Unstructured) string {
	var b strings.Builder
	fmt.Fprint(&b, u.GetUID(), " ", u.GetGeneration(), " ")
	for _, c := range live.Conditions(u) {
		fmt.Fprint(&b, c.Type, c.Status, c.Reason, normal(c.Message), ";")
	}
	for _, field := range []string{"lastAppliedRevision", "lastAttemptedRevision", "usefulErrorMessage"} {
		s, _, _ := unstructured.NestedString(u.Object, "status", field)
		fmt.Fprint(&b, normal(s), ";")
	}
	return b.String()
}

// normal replaces what differs when a controller repeats a message.
func normal(message string) string { return number.ReplaceAllString(message, "#") }

func handled(u *unstructured.Unstructured) string {
	s, _, _ := unstructured.NestedString(u.Object, "status", "lastHandledReconcileAt")
	return s
}

// settle says whether any object is still in progress, and which objects fail. It also
// marks pending layers as blocked if they depend on an unreachable or blocked one.
func (j *Judge) settle(c live.View, layers []*Layer, now time.Time) (moving bool, failing []*unstructured.Unstructured) {
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
			if b.state == live.Progressing && b.ref.GroupKind != gitops.PackageInstallKind && b.ref.GroupKind != gitops.HelmReleaseKind &&
				!(j.patience.FixedNodes && j.unschedulable(c, b.live, now)) {
				moving = true
			}
		}
	}
	for _, gk := range Tracked {
		if gk == gitops.KustomizationKind || gk == gitops.AppKind {
			continue
		}
		for _, u := range c.List(gk) {
			switch state, _ := j.observe(u); state {
			case live.Progressing:
				moving = true
			case live.Failed:
				if live.Reason(u) != dependencyNotReady { // otherwise the object that it waits for is judged
					failing = append(failing, u)
				} else if j.waitsInVain(c, u) {
					moving = true
				}
			}
		}
	}
	return moving, failing
}

// retries returns the failing objects that have not been asked to reconcile again since
// the last change.
func (j *Judge) retries(failing []*unstructured.Unstructured, now time.Time) []Retry {
	var out []Retry
	for _, u := range failing {
		ref := live.RefOf(u)
		if carvel(ref.GroupKind) {
			continue // kapp-controller tries again by itself, after 2, 4, 8 … seconds
		}
		if a, ok := j.asked[ref]; ok && a.at.After(j.changed) {
			continue
		}
		a := ask{token: token(now), at: now}
		j.asked[ref] = a
		out = append(out, Retry{ref, a.token})
	}
	return out
}

func carvel(gk schema.GroupKind) bool {
	return strings.HasSuffix(gk.Group, "carvel.dev") || gk == gitops.AppKind
}

// answered says whether every failing object has failed again since it was asked to
// reconcile, and none that was asked is still at it. An object that does not answer
// within Patience.Stall is not waited for any longer.
func (j *Judge) answered(c live.View, failing []*unstructured.Unstructured, now time.Time) bool {
	for _, u := range failing {
		if n, found, _ := unstructured.NestedInt64(u.Object, "status", "consecutiveReconcileFailures"); carvel(live.RefOf(u).GroupKind) && found && n < 2 && now.Sub(j.changed) < j.patience.Stall {
			return false
		}
	}
	for ref, a := range j.asked {
		u, _ := c.Get(ref)
		if u == nil || now.Sub(a.at) >= j.patience.Stall {
			continue
		}
		if state, _ := live.Observe(u); handled(u) != a.token || state == live.Progressing {
			return false
		}
	}
	return true
}
