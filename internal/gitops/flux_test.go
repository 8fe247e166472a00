package gitops

import (
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/kustomize"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// What merged and run do in memory is what kustomize-controller's own library does on disk.
func TestBuildIsFluxs(t *testing.T) {
	const manifests = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: c, image: nginx:1}]}}}\n"
	base := map[string]string{
		"app/all.yaml": manifests, "app/sub/kustomization.yaml": "resources: [b.yaml]\nnamePrefix: sub-\n", "app/sub/b.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: b}\n",
		"own/kustomization.yaml":  "resources: [../app/all.yaml]\nnamespace: here\nnamePrefix: own-\nimages: [{name: nginx, newTag: '2'}]\npatches: [{target: {kind: ConfigMap}, patch: '[{op: add, path: /data/y, value: k}]'}]\nunheardOf: 1\n",
		"part/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches: [{target: {kind: ConfigMap}, patch: '[{op: add, path: /data/part, value: p}]'}]\n",
		"empty/kustomization.yml": "resources:\n# - nothing\n", "none/README.md": "x", "bare/Kustomization": "resources: [../app/sub]\n",
	}
	for name, c := range map[string]struct{ dir, spec string }{
		"a folder":               {"app", ""},
		"target namespace":       {"app", "targetNamespace: there\nnamePrefix: p-\nnameSuffix: -s"},
		"over its own":           {"own", "targetNamespace: there\nnamePrefix: p-"},
		"patches":                {"own", "patches: [{target: {kind: ConfigMap, name: a}, patch: '[{op: add, path: /data/z, value: f}]'}, {patch: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {w: v}'}]"},
		"images":                 {"own", "images: [{name: nginx, digest: 'sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3'}, {name: other, newTag: x}]"},
		"components":             {"own", "components: [../part]"},
		"missing components":     {"own", "components: [../part, ../gone]\nignoreMissingComponents: true"},
		"components that aren't": {"own", "components: [../gone]"},
		"a remote component":     {"own", "components: ['https://example.com/x']"},
		"nothing in it":          {"empty", ""},
		"nothing at all":         {"none", "targetNamespace: there"},
		"by its oldest name":     {"bare", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var spec map[string]any
			if err := yaml.Unmarshal([]byte(c.spec), &spec); err != nil {
				t.Fatal(err)
			}
			root := t.TempDir()
			for file, text := range base {
				if err := os.MkdirAll(filepath.Join(root, path.Dir(file)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(root, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			g := kustomize.NewGenerator(root, unstructured.Unstructured{Object: map[string]any{"spec": spec}})
			want, _, _, wantErr := g.GenerateManifest(filepath.Join(root, c.dir))

			read, err := Read(tree(base))
			if err != nil {
				t.Fatal(err)
			}
			l := &Layer{Path: c.dir, spec: spec}
			file, got, failed := read.merged(l)
			if (wantErr != nil) != (failed != nil) {
				t.Fatalf("got %v, want %v", failed, wantErr)
			}
			if failed != nil {
				if !strings.Contains(failed.Message, wantErr.Error()) {
					t.Errorf("got %v, want %v", failed, wantErr)
				}
				return
			}
			var theirs types.Kustomization
			if err := yaml.Unmarshal(want, &theirs); err != nil {
				t.Fatal(err)
			}
			ours := *got
			ours.BuildMetadata, theirs.BuildMetadata = nil, nil // ours is for the files of objects
			for i, r := range theirs.Resources {
				theirs.Resources[i] = strings.TrimPrefix(r, "./")
			}
			if !reflect.DeepEqual(normal(t, ours), normal(t, theirs)) {
				t.Errorf("got %v\nwant %v", normal(t, ours), normal(t, theirs))
			}
			if _, err := g.WriteFile(filepath.Join(root, c.dir)); err != nil {
				t.Fatal(err)
			}
			built, wantErr := kustomize.SecureBuild(root, filepath.Join(root, c.dir), false)
			objects, failed := read.run(l, file, got, nil)
			if (wantErr != nil) != (failed != nil) {
				t.Fatalf("got %v, want %v", failed, wantErr)
			}
			if wantErr != nil {
				return
			}
			var a, b []any
			for _, o := range objects {
				a = append(a, o.Object)
			}
			for _, res := range built.Resources() {
				m, err := res.Map()
				if err != nil {
					t.Fatal(err)
				}
				b = append(b, map[string]any(m))
			}
			if normal(t, a) != normal(t, b) {
				t.Errorf("got %s\nwant %s", normal(t, a), normal(t, b))
			}
		})
	}
}

// normal is a value as YAML.
func normal(t *testing.T, v any) string {
	t.Helper()
	b, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
