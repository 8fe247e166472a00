package charts

import (
	"io"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

const rendered = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  template:
    spec:
      containers: [{name: a, image: "docker.io/a/b:1", args: ["--reloader=docker.io/a/reloader:1"], env: [{name: P, valueFrom: {secretKeyRef: {name: web, key: password}}}]}]
  volumeClaimTemplates: [{spec: {resources: {requests: {storage: 1Gi}}}}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: init}
spec: {template: {spec: {containers: [{name: a, image: "docker.io/a/b:1"}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
`

func parsed(t *testing.T, text string) facts {
	t.Helper()
	var objects []*unstructured.Unstructured
	for d := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096); ; {
		o := &unstructured.Unstructured{}
		if err := d.Decode(&o.Object); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	f, err := factsOf(objects, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// The comparison sees what a stand-in leaves out or makes up: where no chart is at hand, this
// keeps it true.
func TestComparisonSeesDifferences(t *testing.T) {
	real := parsed(t, rendered)
	if got := differences(real, parsed(t, rendered)); len(got) > 0 {
		t.Errorf("of itself: %q", got)
	}
	for old, c := range map[string]struct{ new, says string }{
		"key: password":                        {"key: pw", "Secret: only the chart has web: web/password"},
		"port: 80":                             {"port: 81", "Service: only the chart has web 80"},
		"storage: 1Gi":                         {"storage: 2Gi", "claim: only the stand-in has web 2Gi"},
		"name: init":                           {"name: other", "Job: only the chart has init"},
		"kind: StatefulSet":                    {"kind: Deployment", "workload: only the chart has StatefulSet/web ×1"},
		"docker.io/a/b:1\", args":              {"docker.io/a/b:2\", args", "image: only the stand-in has web: docker.io/a/b:2"},
		"    spec:\n      cont":                {"    spec:\n      hostPID: true\n      cont", "Pod Security: only the stand-in has web: privileged"},
		"NetworkPolicy\nmetadata: {name: web}": {"NetworkPolicy\nmetadata: {name: x}", "NetworkPolicy: only the chart has web"},
	} {
		if !strings.Contains(rendered, old) {
			t.Errorf("nothing to change: %q", old)
		}
		if got := strings.Join(differences(real, parsed(t, strings.Replace(rendered, old, c.new, 1))), "\n"); !strings.Contains(got, c.says) {
			t.Errorf("%q: no %q in %q", c.new, c.says, got)
		}
	}
	without := parsed(t, strings.Replace(rendered, "--reloader=docker.io/a/reloader:1", "--x", 1))
	if got := startedLater(real, without, nil); len(got) != 1 || len(startedLater(real, without, []string{"a/reloader"})) > 0 {
		t.Errorf("%q", got)
	}
	if got := strings.Join(unlisted(real, []string{"a/b:1", "a/more:1"}, ""), "\n"); !strings.Contains(got, "does not list docker.io/a/reloader") || !strings.Contains(got, "lists a/more:1") {
		t.Error(got)
	}
}
