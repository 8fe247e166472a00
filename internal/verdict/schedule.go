package verdict

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/live"
)

var podKind = schema.GroupKind{Kind: "Pod"}

// unschedulable says whether an object, which is in progress, waits for pods of which the
// scheduler has said that no node takes them, and for no others.
func unschedulable(c live.View, u *unstructured.Unstructured) bool {
	if u == nil || workloadKinds[u.GroupVersionKind().GroupKind()] == nil {
		return false
	}
	if u.GroupVersionKind().GroupKind() == podKind {
		return refused(u)
	}
	labels, _, _ := unstructured.NestedStringMap(u.Object, "spec", "selector", "matchLabels")
	open := slices.DeleteFunc(c.List(podKind), func(pod *unstructured.Unstructured) bool {
		state, _ := live.Observe(pod)
		return pod.GetNamespace() != u.GetNamespace() || state == live.Current || !has(pod.GetLabels(), labels)
	})
	return len(labels) > 0 && len(open) > 0 && !slices.ContainsFunc(open, func(pod *unstructured.Unstructured) bool { return !refused(pod) })
}

// refused says whether no node takes a pod.
func refused(pod *unstructured.Unstructured) bool {
	scheduled, ok := live.ConditionOf(pod, "PodScheduled")
	return ok && scheduled.Status == "False" && scheduled.Reason == "Unschedulable"
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
