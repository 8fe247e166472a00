package verdict

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"seatrial.dev/seatrial/internal/live/livetest"
)

// unavailable is a workload that is not available yet, and pod one of its pods.
const unavailable = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: web, generation: 1}
spec: {replicas: 1, selector: {matchLabels: {app: web}}}
status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, unavailableReplicas: 1}
`

func pod(name, namespace, label, scheduled, reason string, message ...string) string {
	return `
apiVersion: v1
kind: Pod
metadata: {name: ` + name + `, namespace: ` + namespace + `, uid: ` + name + `, labels: {app: ` + label + `}}
status: {phase: Pending, conditions: [{type: PodScheduled, status: "` + scheduled + `", reason: ` + reason + `, message: '` + strings.Join(message, "") + `'}]}
`
}

// Where no node is ever added, a workload whose open pods no node takes for a while is at rest; any
// other that is in progress is waited for.
func TestOnlyUnschedulablePodsAreNotWaitedFor(t *testing.T) {
	layer := ks("a", "True", "ReconciliationSucceeded", "", "{id: web_web_apps_Deployment, v: v1}")
	refused := pod("web-1", "web", "web", "False", "Unschedulable", "0/3 nodes are available: 3 Insufficient cpu.")
	for name, test := range map[string]struct {
		pods  []string
		fixed bool
		final bool
	}{
		"no node takes its pod":              {[]string{refused}, true, true},
		"no node takes any of its pods":      {[]string{refused, pod("web-2", "web", "web", "False", "Unschedulable"), pod("web-3", "web", "web", "False", "Unschedulable")}, true, true},
		"nodes may be added":                 {[]string{refused}, false, false},
		"another pod is on its way":          {[]string{refused, pod("web-2", "web", "web", "True", "Scheduled")}, true, false},
		"no pod yet":                         {nil, true, false},
		"not looked at yet":                  {[]string{pod("web-1", "web", "web", "False", "SchedulingGated")}, true, false},
		"its volume may be made yet":         {[]string{pod("web-1", "web", "web", "False", "Unschedulable", "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.")}, true, false},
		"the pod of another workload":        {[]string{pod("web-1", "web", "other", "False", "Unschedulable")}, true, false},
		"the pod of another namespace's one": {[]string{pod("web-1", "other", "web", "False", "Unschedulable")}, true, false},
	} {
		c := livetest.Cluster(t, append(test.pods, root, layer, unavailable)...)
		p := DefaultPatience
		p.FixedNodes = test.fixed
		j := NewJudge(repo(t, "a"), commit, p, time.Unix(1000, 0))
		for _, at := range []int64{1000, 1001, 1002} {
			if a := j.Assess(c, time.Unix(at, 0)); a.Final {
				t.Errorf("%s: final after %d s", name, at-1000)
			}
		}
		if a := j.Assess(c, time.Unix(1004, 0)); a.Final != test.final {
			t.Errorf("%s: final %v, %s", name, a.Final, statuses(a))
		}
	}
}

// Each pod of a StatefulSet is refused for a moment, one after the other: that is progress, however
// long nothing else changes.
func TestPodsRefusedForAMomentAreWaitedFor(t *testing.T) {
	layer := ks("a", "True", "ReconciliationSucceeded", "", "{id: web_web_apps_Deployment, v: v1}")
	j := NewJudge(repo(t, "a"), commit, DefaultPatience, time.Unix(1000, 0))
	for at := range int64(20) {
		c := livetest.Cluster(t, root, layer, unavailable, pod(fmt.Sprintf("web-%d", at/3), "web", "web", "False", "Unschedulable", "no node"))
		if a := j.Assess(c, time.Unix(1000+at, 0)); a.Final {
			t.Fatalf("final after %d s", at)
		}
	}
}
