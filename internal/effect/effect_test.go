package effect

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/gitops"
)

func TestFiles(t *testing.T) {
	all, err := read(effects)
	if err != nil || len(all) < 20 {
		t.Fatalf("%d, %v", len(all), err)
	}
	for kind := range all {
		name, group, _ := strings.Cut(kind, ".")
		if !Ours(schema.GroupKind{Group: group, Kind: name}) {
			t.Errorf("%s is not without a controller", kind)
		}
	}
	for text, want := range map[string]string{"- {kinds: [A.b.c, A.b.c]}": "has an effect already", "- {kind: A.b.c}": "unknown field"} {
		if _, err := read(fstest.MapFS{"effects/x.yaml": {Data: []byte(text)}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestStatus(t *testing.T) {
	object := func(kind, status string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{}
		if err := json.Unmarshal([]byte(`{"apiVersion":"`+kind+`","kind":"K","metadata":{"name":"x","generation":2},"status":`+status+`}`), u); err != nil {
			t.Fatal(err)
		}
		return u
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	u := object("boats.example.com/v1", "{}")
	got, _ := json.Marshal(Status(u, at))
	if want := `{"conditions":[{"lastTransitionTime":"2026-01-02T03:04:05Z","message":"taken for granted: nothing acts on it in a rehearsal","observedGeneration":2,"reason":"Rehearsed","status":"True","type":"Ready"}],"observedGeneration":2}`; string(got) != want {
		t.Errorf("got %s", got)
	}
	u = object("volsync.backube/v1alpha1", `{"observedGeneration":1}`)
	u.SetKind("ReplicationSource")
	got, _ = json.Marshal(Status(u, at))
	if !strings.Contains(string(got), `"latestMoverStatus":{"result":"Successful"}`) || !strings.Contains(string(got), `"reason":"WaitingForManual","status":"False","type":"Synchronizing"`) {
		t.Errorf("got %s", got)
	}
	for _, status := range []string{`{"observedGeneration":2}`, `{"phase":"Failed"}`} { // somebody else's word stands
		if got := Status(object("boats.example.com/v1", status), at); got != nil {
			t.Errorf("%s: got %v", status, got)
		}
	}
}

func TestWaited(t *testing.T) {
	repo, err := gitops.Load(fstest.MapFS{"c/l.yaml": {Data: []byte("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: l, namespace: flux-system}\nspec:\n  path: ./l\n  sourceRef: {kind: GitRepository, name: flux-system}\n  healthChecks: [{apiVersion: apps/v1, kind: Deployment, name: d}, {apiVersion: boats.example.com/v1, kind: Boat, name: b}, {apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, name: h}]\n  healthCheckExprs: [{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, current: 'true'}]\n")}, "l/keep": {}}, "c")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range Waited(repo) {
		got = append(got, k.Kind)
	}
	if strings.Join(got, " ") != "Boat ClusterIssuer" {
		t.Errorf("got %v", got)
	}
}
