package ondemand

import (
	"reflect"
	"slices"
	"testing"
	"testing/fstest"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/standin"
)

// patchedBy are the changes of a release whose postRenderers have patches.
func patchedBy(t *testing.T, patches string) []change {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte("spec: {postRenderers: [{kustomize: {patches: "+patches+"}}]}"), &u.Object); err != nil {
		t.Fatal(err)
	}
	return changes(u, "boat")
}

func TestChanges(t *testing.T) {
	t.Parallel()
	const deployment = `target: {kind: Deployment, name: boat}, patch: `
	for name, c := range map[string]struct{ patches, want string }{
		"containers without an image, and volumes without a source": {
			`[{patch: "{apiVersion: apps/v1, kind: Deployment, metadata: {name: boat}, spec: {template: {spec: {volumes: [{name: a, emptyDir: {}}], initContainers: [{name: i}], containers: [{name: c, volumeMounts: [{name: a}, {name: b}]}, {name: new, image: x, volumeMounts: [{name: d}]}, {name: off, $patch: delete}]}}}}"}]`,
			`[{spec: {template: {spec: {initContainers: [{$name: i}], containers: [{$name: c}], volumes: [{$name: b}, {$name: d}]}}}}]`,
		},
		"what is privileged escalates": {
			`[{` + deployment + `"{apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: {containers: [{name: c, securityContext: {privileged: true}}]}}"}]`,
			`[{spec: {containers: [{$name: c, securityContext: {allowPrivilegeEscalation: true}}]}}]`,
		},
		"the list that an entry is added to": {`[{` + deployment + `"[{op: add, path: /spec/containers/1/args/-, value: a}]"}]`, `[{spec: {containers: [{}, {args: []}]}}]`},
		"what is before an entry":            {`[{` + deployment + `"[{op: add, path: /spec/args/2, value: a}]"}]`, `[{spec: {args: [stand-in, stand-in]}}]`},
		"the map that a key is added to":     {`[{` + deployment + `"[{op: add, path: /metadata/annotations/a~1b, value: c}]"}]`, `[{metadata: {annotations: {}}}]`},
		"what is replaced":                   {`[{` + deployment + `"[{op: replace, path: /spec/replicas, value: 2}, {op: move, path: /a, from: /b/c}]"}]`, `[{spec: {replicas: 2}}, {b: {c: stand-in}}]`},
		"what is removed, one after another": {`[{` + deployment + `"[{op: remove, path: /webhooks/0}, {op: remove, path: /webhooks/0}]"}]`, `[{webhooks: [{}]}, {webhooks: [{}, {}]}]`},
		"what a JSON patch lets escalate": {
			`[{` + deployment + `"[{op: add, path: /spec/containers/0/securityContext/privileged, value: true}]"}]`,
			`[{spec: {containers: [{securityContext: {}}]}}, {spec: {containers: [{securityContext: {allowPrivilegeEscalation: true}}]}}]`,
		},
		"not without end":             {`[{` + deployment + `"[{op: remove, path: /a/999999999}]"}]`, `[{a: ` + repeated("{}", mostEntries) + `}]`},
		"not for other labels":        {`[{target: {kind: Pod, labelSelector: a=b}, patch: "[{op: remove, path: /a}]"}]`, `[]`},
		"but for a stand-in's":        {`[{target: {kind: Pod, labelSelector: "app.kubernetes.io/name=boat"}, patch: "[{op: remove, path: /a}]"}]`, `[{a: stand-in}]`},
		"not what can't be read":      {`[{` + deployment + `"{"}, {patch: 1}, 2, {` + deployment + `"[{op: add, path: a}, {op: add, path: ''}, 3]"}]`, `[]`},
		"several documents, a target": {`[{` + deployment + `"a: {volumes: []}\n---\n[{op: remove, path: /b}]"}]`, `[{}, {b: stand-in}]`},
	} {
		got := []any{}
		for _, c := range patchedBy(t, c.patches) {
			got = append(got, c.Has)
		}
		b, err := yaml.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var is, want []any
		if err := yaml.Unmarshal(b, &is); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(is, want) {
			t.Errorf("%s: got %v, want %v", name, is, want)
		}
	}
	if c := patchedBy(t, `[{target: {kind: "(", name: a}, patch: "[{op: remove, path: /a}]"}]`); len(c) != 1 || c[0].Kind != "-" || c[0].name != "" {
		t.Errorf("a kind that is no regular expression: %+v", c)
	}
}

func repeated(one string, n int) string {
	out := "["
	for range n {
		out += one + ","
	}
	return out + "]"
}

const shop = `
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: shop, namespace: sea}
spec: {url: "https://charts.example.com"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: own, namespace: sea}
`

// chart is a release of a chart, with patches.
func chart(name, patches string) string {
	return "---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: " + name + ", namespace: sea}\n" +
		"spec: {chart: {spec: {chart: " + name + ", version: 5.0.0, sourceRef: {kind: HelmRepository, name: shop}}}, postRenderers: [{kustomize: {patches: [" + patches + "]}}]}\n"
}

func TestExpect(t *testing.T) {
	t.Parallel()
	check := func(version, kind, name string) string {
		return "{apiVersion: " + version + ", kind: " + kind + ", name: " + name + ", namespace: sea},"
	}
	patch := func(version, kind, name string) string {
		return `{patch: "{apiVersion: ` + version + `, kind: ` + kind + `, metadata: {name: ` + name + `}}"},`
	}
	layer := "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: boats, namespace: flux-system}\n" +
		"spec: {path: ./boats, prune: true, sourceRef: {kind: GitRepository, name: flux-system}, healthChecks: [" +
		check("boats.example.com/v1", "Boat", "tug") + check("batch/v1", "Job", "ferry-setup") + check("apps/v1", "StatefulSet", "ferry-db") + check("v1", "Service", "ferry-db") +
		check("v1", "Secret", "ferry") + check("v1", "ConfigMap", "own") + check("helm.toolkit.fluxcd.io/v2", "HelmRelease", "gone") + "]}\n"
	repo, err := gitops.Load(fstest.MapFS{
		"c/all.yaml": {Data: []byte(layer)},
		"boats/all.yaml": {Data: []byte(shop + chart("zoo-boats", "") + chart("app-template", patch("v1", "ConfigMap", "a")) + chart("ferry",
			patch("apps/v1", "DaemonSet", "ferry")+patch("v1", "Service", "ferry-metrics")+patch("v1", "ConfigMap", "own")+patch("v1", "ConfigMap", "ferry")+
				`{target: {kind: ConfigMap, name: "f.*"}, patch: "[{op: remove, path: /data}]"}, {target: {kind: StatefulSet, name: ferry-db}, patch: "[{op: add, path: /spec/a, value: 1}]"}`))},
	}, "c")
	if err != nil || len(repo.Layers) != 2 || repo.Layers[1].Build != nil {
		t.Fatalf("%v %+v", err, repo)
	}
	got := expect(repo, func(w want) bool { return w.chart == "app-template" }, func(w want) bool { return w.chart == "app-template" })
	at := func(name string) standin.Expected {
		return got[chartKey{gitops.CanonicalURL("https://charts.example.com"), name}]["sea/"+name]
	}
	objects := func(e standin.Expected) []string {
		var out []string
		for _, o := range e.Objects {
			u := unstructured.Unstructured{Object: o}
			out = append(out, u.GetAPIVersion()+" "+gitops.Identity(u.GetKind(), u.GetNamespace(), u.GetName()))
		}
		return out
	}
	ferry := at("ferry")
	if want := []string{"batch/v1 Job/ferry-setup", "v1 ConfigMap/ferry"}; !slices.Equal(objects(ferry), want) {
		t.Errorf("got %v, want %v", objects(ferry), want)
	}
	if want := []string{"StatefulSet/ferry-db", "DaemonSet/ferry"}; !slices.Equal(ferry.Workloads, want) {
		t.Errorf("got %v, want %v", ferry.Workloads, want)
	}
	if _, db := ferry.Services["ferry-db"]; !db || len(ferry.Services) != 2 || len(ferry.Patched) != 6 {
		t.Errorf("got %+v", ferry)
	}
	if want := []string{"boats.example.com/v1 Boat/tug"}; !slices.Equal(objects(at("zoo-boats")), want) {
		t.Errorf("got %v, want %v", objects(at("zoo-boats")), want)
	}
	if e := at("app-template"); len(e.Patched)+len(e.Objects) > 0 {
		t.Errorf("the template's stand-in is to have %+v", e)
	}
	brings := provide(repo, []want{{kind: "HelmRepository", url: "https://charts.example.com", chart: "zoo-boats"}}, func(string, string) bool { return false })
	if want := []string{"Boat.boats.example.com"}; !slices.Equal(brings.Guessed, want) {
		t.Errorf("guessed %v, want %v", brings.Guessed, want)
	}
}
