package gitops

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// tree makes a file system from a text of "-- name --" sections.
func tree(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(strings.TrimPrefix(text, "\n"))}
	}
	return out
}

const head = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata:\n  name: NAME\n  namespace: flux-system\nspec:\n  path: ./PATH\n  sourceRef: {kind: GitRepository, name: flux-system}\n"

func layerYAML(name, path, more string) string {
	return strings.NewReplacer("NAME", name, "PATH", path).Replace(head) + more
}

func load(t *testing.T, files map[string]string, root string) *Repo {
	t.Helper()
	r, err := Load(tree(files), root)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestObjectsKnowTheirFileAndLine(t *testing.T) {
	r := load(t, map[string]string{
		"clusters/a/apps.yaml":         layerYAML("apps", "apps", "  targetNamespace: web\n"),
		"apps/kustomization.yaml":      "resources: [base]\nnamePrefix: x-\npatches:\n- target: {kind: ConfigMap}\n  patch: |\n    - {op: add, path: /data/b, value: '2'}\n",
		"apps/base/kustomization.yaml": "resources: [both.yaml]\n",
		"apps/base/both.yaml":          "# a comment\napiVersion: v1\nkind: Service\nmetadata:\n  name: s\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  a: '1'\n",
	}, "./clusters/a/")
	apps := r.Layer(Ref{"flux-system", "apps"})
	if apps == nil || apps.Build != nil || len(apps.Objects) != 2 {
		t.Fatalf("got %+v", apps)
	}
	cm := apps.Objects[1]
	if cm.Identity() != "ConfigMap/web/x-c" || cm.File != "apps/base/both.yaml" || cm.Line != 8 {
		t.Errorf("got %s at %s:%d", cm.Identity(), cm.File, cm.Line)
	}
}

func TestFolderWithoutKustomizationIsTakenWhole(t *testing.T) {
	r := load(t, map[string]string{
		"clusters/a/apps.yaml":           layerYAML("apps", "apps", ""),
		"apps/one.yaml":                  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: d}\n",
		"apps/sub/two.yml":               "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two, namespace: d}\n",
		"apps/own/kustomization.yaml":    "resources: [three.yaml]\n",
		"apps/own/three.yaml":            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: three, namespace: d}\n",
		"apps/own/not-listed.yaml":       "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: four, namespace: d}\n",
		"apps/notes.txt":                 "hello",
		"apps/odd@name:1.count":          "kustomize refuses such names",
		"apps/chart/templates/tmpl.tpl":  "{{ .Values }}",
		"clusters/a/empty/.gitkeep.yaml": "",
	}, "clusters/a")
	if got := len(r.Layers[1].Objects); got != 3 {
		t.Fatalf("got %d objects: %+v", got, r.Layers[1].Build)
	}
}

func TestUnreadableManifestIsNamed(t *testing.T) {
	for name, text := range map[string]string{
		"tab":    "apiVersion: v1\nkind: ConfigMap\n\tmetadata: x\n",
		"binary": "\x00\x01\x02PNG",
	} {
		r := load(t, map[string]string{
			"clusters/a/apps.yaml": layerYAML("apps", "apps", ""),
			"apps/bad.yaml":        text,
		}, "clusters/a")
		b := r.Layers[1].Build
		if b == nil || b.Parse == nil || b.Parse.File != "apps/bad.yaml" || b.Parse.Line == 0 {
			t.Errorf("%s: got %+v", name, b)
		}
	}
}

func TestHugeMappingIsRefusedAtOnce(t *testing.T) {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big, namespace: d}\ndata:\n")
	for i := range 60000 {
		fmt.Fprintf(&b, "  key-%d: %s\n", i, strings.Repeat("x", 75))
	}
	start := time.Now()
	r := load(t, map[string]string{"clusters/a/big.yaml": b.String()}, "clusters/a")
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	if e := r.Layers[0].Build; e == nil || e.Parse == nil || e.Parse.File != "clusters/a/big.yaml" {
		t.Errorf("got %+v", e)
	}
}

func TestFilesThatFluxIgnoresAreIgnored(t *testing.T) {
	r := load(t, map[string]string{
		".github/workflows/ci.yaml": "on: push\n", ".gitlab-ci.yml": "stages: []\n",
		"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: d}\n",
	}, "./")
	if l := r.Layers[0]; l.Build != nil || len(l.Objects) != 1 {
		t.Fatalf("got %+v", l.Build)
	}
}

func TestRemoteResourcesAreNotGuessed(t *testing.T) {
	r := load(t, map[string]string{
		"clusters/a/apps.yaml":    layerYAML("apps", "apps", ""),
		"apps/kustomization.yaml": "resources: ['https://example.com/x.yaml']\n",
	}, "clusters/a")
	if l := r.Layers[1]; l.Opaque == "" || l.Build != nil {
		t.Fatalf("got %+v", l)
	}
}

func TestCyclesAreFoundOnce(t *testing.T) {
	dep := func(names ...string) string {
		s := "  dependsOn:\n"
		for _, n := range names {
			s += "  - name: " + n + "\n"
		}
		return s
	}
	r := load(t, map[string]string{
		"clusters/a/l.yaml": strings.Join([]string{
			layerYAML("c", "x", dep("a")), layerYAML("b", "x", dep("c")), layerYAML("a", "x", dep("b")),
			layerYAML("outside", "x", dep("a")), layerYAML("self", "x", dep("self")),
		}, "---\n"),
		"x/kustomization.yaml": "resources: []\n",
	}, "clusters/a")
	var got []string
	for _, circle := range r.Cycles() {
		var names []string
		for _, l := range circle {
			names = append(names, l.Name)
		}
		got = append(got, strings.Join(names, ">"))
	}
	if strings.Join(got, " ") != "a>b>c self" {
		t.Fatalf("got %v", got)
	}
}

const namespaceYAML = "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n"

func TestClusters(t *testing.T) {
	for _, c := range []struct {
		want  string
		files map[string]string
	}{
		{"clusters/a", map[string]string{"clusters/a/x.yaml": namespaceYAML}},
		{"clusters/a clusters/b", map[string]string{"clusters/a/x.yaml": namespaceYAML, "clusters/b/x.yaml": layerYAML("x", "x", "")}},
		{"", map[string]string{"clusters/a/x.yaml": "a: 1"}},
		{"platforms/clusters/s/kustomizations", map[string]string{"platforms/clusters/s/kustomizations/x.yaml": namespaceYAML}},
		{"deep/er", map[string]string{"deep/er/flux-system/gotk-sync.yaml": layerYAML("flux-system", "deep/er", ""), "clusters/a/x.yaml": namespaceYAML}},
		// A repo inside another folder, such as a test fixture, is not this repo's root.
		{"", map[string]string{"fixtures/r/clusters/a/flux-system/gotk-sync.yaml": layerYAML("flux-system", "clusters/a", "")}},
	} {
		read, err := Read(tree(c.files))
		if err != nil {
			t.Fatal(err)
		}
		if got := Paths(read.Clusters()); strings.Join(got, " ") != c.want {
			t.Errorf("got %v, want %s", got, c.want)
		}
	}
}
