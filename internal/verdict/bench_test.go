package verdict

import (
	"fmt"
	"testing"
	"time"

	"seatrial.dev/seatrial/internal/live/livetest"
)

// BenchmarkAssess is one look at 300 layers of three objects each, most of them done.
func BenchmarkAssess(b *testing.B) {
	manifests, names := []string{root}, []string{}
	for i := range 300 {
		name := fmt.Sprintf("l%03d", i)
		if i < 10 {
			names = append(names, name)
		} else {
			names = append(names, fmt.Sprintf("%s<l%03d", name, i-10))
		}
		manifests = append(manifests, ks(name, "True", "ReconciliationSucceeded", "", fmt.Sprintf(
			"{id: web_%[1]s__ConfigMap, v: v1}, {id: web_%[1]s__Service, v: v1}, {id: web_%[1]s_apps_Deployment, v: v1}", name)),
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "+name+", namespace: web}\n",
			"apiVersion: v1\nkind: Service\nmetadata: {name: "+name+", namespace: web}\nspec: {clusterIP: 10.96.0.1}\n",
			"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: "+name+", namespace: web, generation: 1}\nspec: {replicas: 1}\n"+
				"status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1, conditions: [{type: Available, status: \"True\"}]}\n")
	}
	c := livetest.Cluster(b, manifests...)
	j := NewJudge(repo(b, names...), commit, DefaultPatience, time.Unix(1000, 0))
	for b.Loop() {
		j.Assess(c, time.Unix(1000, 0))
	}
}
