package verdict

import (
	"cmp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
)

// wakes returns the objects that wait for others although those are ready now. Flux's
// controllers look at dependencies when an object is reconciled, and then only once
// every interval (30 seconds by default): most of a rehearsal would be the rest of such
// intervals. An object is woken once for each state of what it depends on.
func (j *Judge) wakes(c live.View, now time.Time) []Retry {
	var out []Retry
	for _, gk := range []schema.GroupKind{gitops.KustomizationKind, gitops.HelmReleaseKind} {
		for _, u := range c.List(gk) {
			if live.Reason(u) != dependencyNotReady {
				continue
			}
			state, ready := dependencies(c, u)
			ref := live.RefOf(u)
			if !ready || j.woken[ref] == state {
				continue
			}
			j.woken[ref] = state
			delete(j.asked, ref) // what it does from here on is no answer to an earlier request
			out = append(out, Retry{ref, token(now)})
		}
	}
	return out
}

// dependencies describes the state of what u depends on, and says whether all of it is ready.
func dependencies(c live.View, u *unstructured.Unstructured) (state string, ready bool) {
	var b strings.Builder
	for _, ref := range dependsOn(u) {
		dep, _ := c.Get(ref)
		if dep == nil {
			return "", false
		}
		if s, _ := live.Observe(dep); s != live.Current {
			return "", false
		}
		b.WriteString(digest(dep))
	}
	return b.String(), true
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
