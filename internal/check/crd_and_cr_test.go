package check

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// Of each release there is one finding, and none if what it brings comes in time from elsewhere.
func TestCRDAndCR(t *testing.T) {
	layer := func(name, more string) string {
		return fmt.Sprintf("---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: %s, namespace: flux-system}\nspec: {path: ./%[1]s, sourceRef: {kind: GitRepository, name: flux-system}%s}\n", name, more)
	}
	release := func(chart string) string {
		return fmt.Sprintf("---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: %s, namespace: ops}\nspec: {chart: {spec: {chart: %[1]s, sourceRef: {kind: HelmRepository, name: x, namespace: ops}}}}\n", chart)
	}
	object := func(api, kind, name string) string {
		return fmt.Sprintf("---\napiVersion: %s\nkind: %s\nmetadata: {name: %s, namespace: ops}\n", api, kind, name)
	}
	monitors := object("monitoring.coreos.com/v1", "ServiceMonitor", "a") + object("monitoring.coreos.com/v1", "PrometheusRule", "b")
	base := map[string]string{"c/layers.yaml": layer("ops", ""), "ops/all.yaml": release("kube-prometheus-stack") + monitors}
	for name, c := range map[string]struct {
		change map[string]string
		before []string
		want   []string // object: message
	}{
		"two objects": {want: []string{"ServiceMonitor/ops/a: ServiceMonitor and PrometheusRule/ops/b are applied together with HelmRelease/ops/kube-prometheus-stack, which installs their kinds"}},
		"one object": {change: map[string]string{"ops/all.yaml": release("kyverno") + object("kyverno.io/v1", "Policy", "p")},
			want: []string{"Policy/ops/p: Policy is applied together with HelmRelease/ops/kyverno, which installs its kind"}},
		"many objects of two groups, and another provider": {change: map[string]string{"ops/all.yaml": release("kyverno") + release("kube-prometheus-stack") + monitors + object("monitoring.coreos.com/v1", "Probe", "c") +
			object("kyverno.io/v1", "Policy", "p") + object("policies.kyverno.io/v1", "NamespacedValidatingPolicy", "q")},
			want: []string{"ServiceMonitor/ops/a: ServiceMonitor and 2 other objects are applied together with HelmRelease/ops/kube-prometheus-stack", "Policy/ops/p: Policy and NamespacedValidatingPolicy/ops/q are applied together"}},
		"kinds that exist before Flux":       {before: []string{"monitoring.coreos.com"}},
		"another group exists before":        {before: []string{"kyverno.io"}, want: []string{"ServiceMonitor/ops/a: "}},
		"an earlier layer brings them":       {change: map[string]string{"c/layers.yaml": layer("ops", ", dependsOn: [{name: crds}]") + layer("crds", ""), "crds/all.yaml": release("prometheus-operator-crds")}},
		"a layer beside brings them":         {change: map[string]string{"c/layers.yaml": layer("ops", "") + layer("crds", ""), "crds/all.yaml": release("prometheus-operator-crds")}},
		"a foreign layer of CRDs beside":     {change: map[string]string{"c/layers.yaml": layer("ops", "") + strings.Replace(layer("prometheus-crds", ""), "name: flux-system}}", "name: elsewhere}}", 1)}},
		"any foreign layer beside":           {change: map[string]string{"c/layers.yaml": layer("ops", "") + strings.Replace(layer("others", ""), "name: flux-system}}", "name: elsewhere}}", 1)}, want: []string{"ServiceMonitor/ops/a: "}},
		"a layer that waits brings them":     {change: map[string]string{"c/layers.yaml": layer("ops", "") + layer("crds", ", dependsOn: [{name: ops}]"), "crds/all.yaml": release("prometheus-operator-crds")}, want: []string{"ServiceMonitor/ops/a: "}},
		"a layer within brings them":         {change: map[string]string{"ops/layers.yaml": layer("crds", ""), "crds/all.yaml": release("prometheus-operator-crds")}, want: []string{"ServiceMonitor/ops/a: "}},
		"the same chart beside":              {change: map[string]string{"c/layers.yaml": layer("ops", "") + layer("crds", ""), "crds/all.yaml": release("kube-prometheus-stack")}, want: []string{"ServiceMonitor/ops/a: "}},
		"switched off, so not its installer": {change: map[string]string{"ops/all.yaml": strings.Replace(release("kube-prometheus-stack"), "}}}}", "}}}, values: {crds: {enabled: false}}}", 1) + monitors}},
		"a chart that brings none":           {change: map[string]string{"ops/all.yaml": release("grafana") + object("grafana.integreatly.org/v1beta1", "GrafanaDashboard", "d")}},
	} {
		t.Run(name, func(t *testing.T) {
			files := maps.Clone(base)
			maps.Copy(files, c.change)
			tree := fstest.MapFS{}
			for name, text := range files {
				tree[name] = &fstest.MapFile{Data: []byte(text)}
			}
			r, err := gitops.Load(tree, "c")
			if err != nil {
				t.Fatal(err)
			}
			r.Before = map[string]string{}
			for _, group := range c.before {
				r.Before[group] = "a helmfile"
			}
			got := crdAndCR(r, Options{})
			if len(got) != len(c.want) {
				t.Fatalf("got %+v, want %v", got, c.want)
			}
			for i, f := range got {
				if said := f.Object + ": " + f.Message; f.Code != finding.CRDAndCR || !strings.HasPrefix(said, c.want[i]) {
					t.Errorf("got %s, want %s", said, c.want[i])
				}
			}
		})
	}
}
