package verdict

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/live"
)

var podKind = schema.GroupKind{Kind: "Pod"}

// refusedFor is for how long without a break a pod must have been refused by all nodes, so that it
// counts as refused for good: each pod is for a moment, while its volumes are made.
const refusedFor = 3 * time.Second

// unschedulable says whether an object, which is in progress, waits for pods that no node has
// taken for a while, and for no others.
func (j *Judge) unschedulable(c live.View, u *unstructured.Unstructured, now time.Time) bool {
	if u == nil || workloadKinds[u.GroupVersionKind().GroupKind()] == nil {
		return false
	}
	if u.GroupVersionKind().GroupKind() == podKind {
		return j.refused(u, now)
	}
	labels, _, _ := unstructured.NestedStringMap(u.Object, "spec", "selector", "matchLabels")
	open := slices.DeleteFunc(c.List(podKind), func(pod *unstructured.Unstructured) bool {
		state, _ := live.Observe(pod)
		return pod.GetNamespace() != u.GetNamespace() || state == live.Current || !has(pod.GetLabels(), labels)
	})
	return len(labels) > 0 && len(open) > 0 && !slices.ContainsFunc(open, func(pod *unstructured.Unstructured) bool { return !j.refused(pod, now) })
}

// refused says whether no node has taken a pod for refusedFor, for another reason than that a
// volume is missing, which a controller may still make.
func (j *Judge) refused(pod *unstructured.Unstructured, now time.Time) bool {
	scheduled, ok := live.ConditionOf(pod, "PodScheduled")
	if !ok || scheduled.Status != "False" || scheduled.Reason != "Unschedulable" || strings.Contains(strings.ToLower(scheduled.Message), "persistentvolumeclaim") {
		delete(j.unplaced, pod.GetUID())
		return false
	}
	since, known := j.unplaced[pod.GetUID()]
	if !known {
		j.unplaced[pod.GetUID()] = now
	}
	return known && now.Sub(since) >= refusedFor
}

// has says whether labels contain all of some.
func has(labels, some map[string]string) bool {
	for k, v := range some {
		if labels[k] != v {
			return false
		}
	}
	return true
}
