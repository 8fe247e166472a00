package verdict

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
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
	template, _, _ := unstructured.NestedStringMap(u.Object, "spec", "selector", "matchLabels")
	selector := labels.SelectorFromSet(template)
	open, taken := 0, false
	for _, pod := range c.List(podKind) { // each is looked at, as each has its own time
		if state, _ := live.Observe(pod); pod.GetNamespace() != u.GetNamespace() || state == live.Current || !selector.Matches(labels.Set(pod.GetLabels())) {
			continue
		}
		open++
		taken = !j.refused(pod, now) || taken
	}
	return len(template) > 0 && open > 0 && !taken
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
