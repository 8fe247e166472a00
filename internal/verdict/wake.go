package verdict

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/pace"
)

// wakes returns the objects that wait for others although those are ready now. Flux's
// controllers look at dependencies when an object is reconciled, and then only once
// every interval (30 seconds by default): most of a rehearsal would be the rest of such
// intervals. One that goes on waiting is woken again after a while, as what it waits for may
// have been reconciled once more just when its controller looked.
func (j *Judge) wakes(c live.View, now time.Time) []Retry {
	var out []Retry
	for _, gk := range []schema.GroupKind{gitops.KustomizationKind, gitops.HelmReleaseKind} {
		for _, u := range c.List(gk) {
			ref := live.RefOf(u)
			if !j.waitsInVain(c, u) {
				delete(j.woken, ref)
				continue
			}
			if at, ok := j.woken[ref]; !pace.Lively || ok && now.Sub(at) < wakeAgain {
				continue
			}
			j.woken[ref] = now
			delete(j.asked, ref) // what it does from here on is no answer to an earlier request
			out = append(out, Retry{ref, token(now)})
		}
	}
	return out
}

// wakeAgain is how long a controller is given to look at dependencies again.
const wakeAgain = 2 * time.Second

// waitsInVain says whether an object waits for others that are all ready.
func (j *Judge) waitsInVain(c live.View, u *unstructured.Unstructured) bool {
	if suspended, _, _ := unstructured.NestedBool(u.Object, "spec", "suspend"); suspended {
		return false // nothing looks at it, whatever is asked
	}
	deps := dependsOn(u)
	return len(deps) > 0 && live.Reason(u) == dependencyNotReady && !slices.ContainsFunc(deps, func(ref live.Ref) bool {
		dep, _ := c.Get(ref)
		if dep == nil {
			return true
		}
		state, _ := j.observe(dep)
		return state != live.Current
	})
}

// dependsOn are the objects, of u's own kind, that u depends on.
func dependsOn(u *unstructured.Unstructured) []live.Ref {
	list, _, _ := unstructured.NestedSlice(u.Object, "spec", "dependsOn")
	var out []live.Ref
	for _, e := range list {
		m, _ := e.(map[string]any)
		name, _ := m["name"].(string)
		namespace, _ := m["namespace"].(string)
		out = append(out, live.Ref{GroupKind: u.GroupVersionKind().GroupKind(), Namespace: cmp.Or(namespace, u.GetNamespace()), Name: name})
	}
	return out
}

// dependencyNotReady is the reason for which an object is not Ready while it waits for others.
const dependencyNotReady = "DependencyNotReady"

// token is the value of a request to reconcile.
func token(now time.Time) string { return now.UTC().Format(time.RFC3339Nano) }
