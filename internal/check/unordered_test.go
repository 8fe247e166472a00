package check

import (
	"strings"
	"testing"
	"testing/fstest"

	"seatrial.dev/seatrial/internal/gitops"
)

// Of the layers that bring kinds, one is named; and none for kinds that exist before Flux.
func TestUnorderedKinds(t *testing.T) {
	const (
		layer   = "---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: NAME, namespace: flux-system}\nspec: {path: ./NAME, sourceRef: {kind: GitRepository, name: flux-system}}\n"
		release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: NAME, namespace: ops}\nspec: {chart: {spec: {chart: NAME, sourceRef: {kind: HelmRepository, name: x, namespace: ops}}}}\n"
	)
	named := func(text, name string) string { return strings.ReplaceAll(text, "NAME", name) }
	files := map[string]string{
		"c/layers.yaml":                     named(layer, "app") + named(layer, "kube-prometheus-stack") + named(layer, "prometheus-operator-crds") + named(layer, "kyverno"),
		"app/all.yaml":                      "apiVersion: monitoring.coreos.com/v1\nkind: Probe\nmetadata: {name: a, namespace: ops}\n---\napiVersion: monitoring.coreos.com/v1\nkind: Probe\nmetadata: {name: b, namespace: ops}\n---\napiVersion: kyverno.io/v1\nkind: Policy\nmetadata: {name: p, namespace: ops}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: flux-system}\n",
		"kube-prometheus-stack/all.yaml":    named(release, "kube-prometheus-stack"),
		"prometheus-operator-crds/all.yaml": named(release, "prometheus-operator-crds"),
		"kyverno/all.yaml":                  named(release, "kyverno") + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: flux-system}\n",
	}
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	r, err := gitops.Load(tree, "c")
	if err != nil {
		t.Fatal(err)
	}
	said := func(before ...string) string {
		r.Before = map[string]string{}
		for _, group := range before {
			r.Before[group] = "a helmfile"
		}
		var out []string
		for _, f := range unordered(r, Options{}) {
			out = append(out, f.Object+" "+f.Fix)
		}
		return strings.Join(out, "; ")
	}
	const both = "Probe/ops/a add kube-prometheus-stack to the dependsOn of app; Policy/ops/p add kyverno to the dependsOn of app"
	if got := said(); got != both {
		t.Errorf("got %q", got)
	}
	if got := said("monitoring.coreos.com"); got != strings.Split(both, "; ")[1] {
		t.Errorf("got %q", got)
	}
	if got := said("monitoring.coreos.com", "kyverno.io"); got != "" {
		t.Errorf("got %q", got)
	}
}
