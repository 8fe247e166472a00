package declaration

import (
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"seatrial.dev/seatrial/internal/strict"
)

// tree is a repo with one of everything that a path may lead to.
var tree = fstest.MapFS{
	"clusters/a/sync.yaml":   {},
	"clusters/b/sync.yaml":   {},
	"bootstrap/crds.yaml":    {},
	"bootstrap/README.md":    {},
	"bootstrap/more/ns.yaml": {},
	"bootstrap/pipe":         {Mode: fs.ModeNamedPipe},
	"link":                   {Data: []byte("clusters"), Mode: fs.ModeSymlink},
	"clusters/c":             {Data: []byte("a"), Mode: fs.ModeSymlink},
}

func read(text string) (Declaration, error) {
	var d Declaration
	r, err := strict.Read(File, "the file", "kind: Rehearsal", []byte(text), &d, nil)
	if err != nil {
		return d, err
	}
	d.Complete(r, In(tree))
	return d, r.Err()
}

const whole = `clusters:
- path: ./clusters/a/
- {path: clusters/b, name: staging}
prerequisites:
  manifests: [bootstrap/crds.yaml, ./bootstrap/more]
  kinds:
  - {apiVersion: monitoring.example.com/v1, kind: ServiceMonitor}
  - {apiVersion: net.example.com/v1beta1, kind: Policy, scope: Cluster, plural: policyz}
  nodes:
    labels: {example.com/pool: "fast"}
    resources: {example.com/gpu: 2, memory: 16Gi}
sources:
- {kind: OCIRepository, name: fleet}
- {kind: GitRepository, namespace: apps, name: fleet}
packagingGlobalNamespace: tkg-system
podSecurity: baseline
accept:
- code: helm-release-failed
  object: HelmRelease/apps/*
  reason: known
  until: 2027-01-31
`

func TestDefaultsAndForms(t *testing.T) {
	d, err := read(whole)
	if err != nil {
		t.Fatal(err)
	}
	want := Declaration{
		Clusters: []Cluster{{"clusters/a", "clusters/a"}, {"clusters/b", "staging"}},
		Prerequisites: Prerequisites{
			Manifests: []string{"bootstrap/crds.yaml", "bootstrap/more"},
			Kinds: []Kind{
				{"monitoring.example.com/v1", "ServiceMonitor", Namespaced, "servicemonitors"},
				{"net.example.com/v1beta1", "Policy", ClusterWide, "policyz"},
			},
			Nodes: Nodes{map[string]string{"example.com/pool": "fast"}, map[string]Quantity{"example.com/gpu": "2", "memory": "16Gi"}},
		},
		Sources:                  []Source{{"OCIRepository", "flux-system", "fleet"}, {"GitRepository", "apps", "fleet"}},
		PackagingGlobalNamespace: "tkg-system", PodSecurity: "baseline",
		Accept: []Acceptance{{"helm-release-failed", "HelmRelease/apps/*", "known", "2027-01-31", 18}},
	}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got\n%+v, want\n%+v", d, want)
	}
	if !d.Carries("OCIRepository", "flux-system", "fleet") || d.Carries("OCIRepository", "apps", "fleet") {
		t.Error("the wrong source carries the repo")
	}
	for _, empty := range []string{"{}", "clusters:\nprerequisites:\naccept: []"} {
		if d, err := read(empty); err != nil || !reflect.DeepEqual(d.Clusters, []Cluster(nil)) {
			t.Errorf("%q: %+v, %v", empty, d, err)
		}
	}
	if d, err := read("clusters: [{path: ./}]"); err != nil || d.Clusters[0].Path != "." {
		t.Errorf("the repo's top: %+v, %v", d, err)
	}
}

// Every mistake is told with its line and what to write.
func TestMistakesAreTold(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"clusters:", "cluster:", ":1: unknown key cluster: did you mean clusters?"},
		{"./clusters/a/", "clusters/prod", ":2: clusters.0.path: clusters/prod is not in the repo"},
		{"./clusters/a/", "clusters/a/sync.yaml", "is a file: name the folder"},
		{"./clusters/a/", "/clusters/a", "/clusters/a is outside of the repo"},
		{"./clusters/a/", "clusters/../../a", `got "clusters/../../a": write it from the repo's top`},
		{"./clusters/a/", "..", ".. is outside of the repo"},
		{"./clusters/a/", "clusters//a", `got "clusters//a"`},
		{"./clusters/a/", `clusters\a`, "write the path with slashes"},
		{"./clusters/a/", `"clusters/a\0"`, "write it from the repo's top"},
		{"./clusters/a/", "link/a", "link is a symbolic link"},
		{"./clusters/a/", "clusters/c", "clusters/c is a symbolic link"},
		{"path: ./clusters/a/", "name: a", ":2: clusters.0.path: missing"},
		{"path: ./clusters/a/", "path: clusters/b", ":3: clusters.1.path: clusters/b is a cluster already"},
		{"name: staging", "name: clusters/a", "clusters.1.name"},
		{"name: staging", "name: a b", `clusters.1.name: got "a b"`},
		{"bootstrap/crds.yaml", "bootstrap/README.md", ":5: prerequisites.manifests.0: bootstrap/README.md is no manifest"},
		{"bootstrap/crds.yaml", "bootstrap/pipe", "neither a file nor a folder"},
		{"bootstrap/crds.yaml", "bootstrap/crds.yaml/x", "is not in the repo"},
		{"bootstrap/crds.yaml", `""`, "prerequisites.manifests.0: missing"},
		{"monitoring.example.com/v1", "v1", `:7: prerequisites.kinds.0.apiVersion: got "v1"`},
		{"monitoring.example.com/v1", "apps/v1", "group and version of a custom resource"},
		{"monitoring.example.com/v1", "a.b/v1/c", "apiVersion"},
		{"kind: ServiceMonitor", "kind: serviceMonitor", "write a kind such as ServiceMonitor"},
		{"scope: Cluster", "scope: cluster", "did you mean Cluster?"},
		{"plural: policyz", "plural: Policies", "write it in lower case"},
		{"apiVersion: net.example.com/v1beta1, kind: Policy", "apiVersion: monitoring.example.com/v1, kind: ServiceMonitor", "is listed twice"},
		{"example.com/pool", "example.com/pool/x", "no label has that name"},
		{`"fast"`, "true", "found the truth value true: write a text (put it in quotes)"},
		{`"fast"`, `"not so fast"`, `got "not so fast"`},
		{"example.com/gpu: 2", "example.com/gpu: two", `prerequisites.nodes.resources.example.com/gpu: got "two"`},
		{"example.com/gpu: 2", "example.com/gpu: 0", `got "0"`},
		{"example.com/gpu: 2", "example.com/gpu: [2]", "found a list"},
		{"example.com/gpu: 2", "-: 2", "no resource has that name"},
		{"kind: OCIRepository", "kind: OCIRepositry", "did you mean OCIRepository?"},
		{"kind: OCIRepository, ", "", `sources.0.kind: got ""`},
		{"kind: OCIRepository, name: fleet", "kind: OCIRepository, name: Fleet", "sources.0.name"},
		{"kind: OCIRepository, name", "kind: GitRepository, namespace: apps, name", "GitRepository apps/fleet is listed twice"},
		{"tkg-system", "TKG", `:15: packagingGlobalNamespace: got "TKG"`},
		{"tkg-system", `""`, `packagingGlobalNamespace: got ""`},
		{"baseline", "baselin", "did you mean baseline?"},
		{"helm-release-failed", "helm-release-faild", ":18: accept.0.code: got \"helm-release-faild\": did you mean helm-release-failed?"},
		{"helm-release-failed", "too-large", "a too-large can't be accepted: nothing is rehearsed then"},
		{"helm-release-failed", "cluster-differs", "can't be accepted"},
		{"HelmRelease/apps/*", "apps", `accept.0.object: got "apps"`},
		{"HelmRelease/apps/*", "HelmRelease/apps/[a-z]", "* stands for any text without a slash"},
		{"HelmRelease/apps/*", "HelmRelease/apps/a/b", "accept.0.object"},
		{"reason: known", "reason: ' '", ":20: accept.0.reason: missing"},
		{"  reason: known\n", "", "accept.0.reason: missing"},
		{"2027-01-31", "2027-02-30", "accept.0.until: "},
		{"2027-01-31", "never", `accept.0.until: got "never"`},
		{"2027-01-31", "20270131", "found the number 20270131"},
		{"  until: 2027-01-31\n", "", "accept.0.until: got"},
	} {
		text := strings.Replace(whole, c.from, c.to, 1)
		if text == whole {
			t.Fatalf("%s is not in the file", c.from)
		}
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.to, err, c.want)
		}
	}
}

// A list without end is refused before anything is looked up.
func TestListsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("prerequisites:\n  manifests:\n")
	for i := range MaxEntries + 1 {
		fmt.Fprintf(&b, "  - missing-%d.yaml\n", i)
	}
	if _, err := read(b.String()); err == nil || !strings.Contains(err.Error(), "it has 501 entries") || strings.Contains(err.Error(), "missing-1") {
		t.Errorf("got %v", err)
	}
}
