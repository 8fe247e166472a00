package prerequisite

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"seatrial.dev/seatrial/internal/declaration"
	"seatrial.dev/seatrial/internal/gitops"
)

const layer = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\nspec:\n  path: ./apps\n  sourceRef: {kind: GitRepository, name: flux-system}\n"

func load(t *testing.T, files map[string]string) *gitops.Repo {
	t.Helper()
	tree := fstest.MapFS{"clusters/a/apps.yaml": {Data: []byte(layer)}, "apps/ns.yaml": {Data: []byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n")}}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	r, err := gitops.Load(tree, "clusters/a")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func told(all []Assumption) string {
	var out []string
	for _, a := range all {
		s := a.What
		if a.Maker != nil {
			s += " by " + a.Maker.Identity()
		}
		if len(a.Groups) > 0 {
			s += " " + strings.Join(a.Groups, ",")
		}
		for _, o := range a.Objects {
			if keys, ok := o.Object["stringData"].(map[string]any); ok {
				s += fmt.Sprint(" ", len(keys))
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func TestFind(t *testing.T) {
	const release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: r, namespace: web}\nspec: {valuesFrom: [{kind: Secret, name: values}, {kind: ConfigMap, name: maybe, optional: true}]}\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"nothing": {nil, ""},
		"a helmfile": {map[string]string{
			"bootstrap/helmfile.yaml": "releases:\n- {name: cert-manager, namespace: cert-manager, chart: 'oci://quay.io/jetstack/charts/cert-manager'}\n- {name: off, installed: false}\n- {name: x, chart: '{{ .x }}', hooks: [{args: [wait, crd/boats.example.com]}]}\n",
		}, "Helm release cert-manager acme.cert-manager.io,cert-manager.io; Helm release x example.com"},
		"manifests of a bootstrap folder": {map[string]string{
			"kubernetes/bootstrap/all.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: age, namespace: flux-system}\nstringData: {a: '{{ op }}', b: x}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: _}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n",
			"apps/bootstrap/x.yaml":         "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\n", // Flux applies it
		}, "Secret/flux-system/age 2"},
		"a template of one": {map[string]string{
			"bootstrap/resources.yaml.j2": "apiVersion: v1\nkind: Secret\nmetadata:\n  name: login\n  namespace: web\nstringData:\n  token: op://a/b\n",
		}, "Secret/web/login 1"},
		"values that nobody brings": {map[string]string{"apps/r.yaml": release}, "Secret/web/values 1"},
		"values that the repo brings": {map[string]string{
			"apps/r.yaml": release, "apps/s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: values, namespace: web}\n",
		}, ""},
		"values whose name is misspelt": {map[string]string{
			"apps/r.yaml": release, "apps/s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: valeus, namespace: web}\n",
		}, ""},
		"values that an operator makes": {map[string]string{
			"apps/r.yaml": release, "apps/s.yaml": "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: e, namespace: web}\nspec: {target: {name: values}}\n",
		}, "Secret/web/values by ExternalSecret/web/e 1"},
		"a mirror": {map[string]string{
			"apps/r.yaml": release, "apps/s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: values, namespace: other, annotations: {reflector.v1.k8s.emberstack.com/reflection-allowed: 'true'}}\n",
		}, "Secret/web/values by Secret/other/values 1"},
		"a login": {map[string]string{
			"apps/s.yaml": "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: g, namespace: web}\nspec: {url: 'ssh://git@example.com/x', secretRef: {name: key}}\n",
		}, "Secret/web/key 3"},
		"the login of the repo itself": {map[string]string{
			"clusters/a/g.yaml": "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: flux-system, namespace: flux-system}\nspec: {url: 'ssh://git@example.com/x', secretRef: {name: flux-system}}\n",
		}, ""},
		"what pods ask of nodes": {map[string]string{
			"apps/d.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, namespace: web}\nspec: {template: {spec: {nodeSelector: {gpu: 'true', kubernetes.io/os: linux}, containers: [{name: c, resources: {limits: {example.com/gpu: 1, cpu: 1}}}], affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: disk, operator: In, values: [ssd, nvme]}]}]}}}}}}\n",
		}, "a node with disk=ssd, gpu=true; node resource example.com/gpu"},
	} {
		got := Find(load(t, c.files), declaration.Prerequisites{})
		slices.SortFunc(got, func(a, b Assumption) int { return strings.Compare(a.What, b.What) })
		if told(got) != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, told(got), c.want)
		}
	}
}

func TestDeclared(t *testing.T) {
	r := load(t, map[string]string{"before/s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: web}\nstringData: {a: b}\n", "beforehand/t.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: t}\n"})
	got := Find(r, declaration.Prerequisites{
		Manifests: []string{"before"}, Kinds: []declaration.Kind{{APIVersion: "boats.example.com/v1", Kind: "Boat", Scope: declaration.ClusterWide, Plural: "fleet"}},
		Nodes: declaration.Nodes{Labels: map[string]string{"gpu": "true"}, Resources: map[string]declaration.Quantity{"example.com/gpu": "2"}},
	})
	if told(got) != "Secret/web/s 1; kind Boat of boats.example.com/v1 boats.example.com; node resource example.com/gpu" {
		t.Errorf("got %s", told(got))
	}
	if crd := got[1].Objects[0]; crd.GetName() != "fleet.boats.example.com" || crd.Object["spec"].(map[string]any)["scope"] != "Cluster" {
		t.Errorf("got %v", crd)
	}
}

func TestKinds(t *testing.T) {
	r := load(t, map[string]string{
		"bootstrap/helmfile.yaml": "releases: [{name: external-secrets, chart: external-secrets}, {name: kube-prometheus-stack, chart: kube-prometheus-stack}]\n",
		"apps/e.yaml":             "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: e, namespace: web}\n---\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: e, namespace: web}\n---\napiVersion: nobody.example.com/v1\nkind: Thing\nmetadata: {name: e, namespace: web}\n",
	})
	r.Before = Before(Find(r, declaration.Prerequisites{}))
	var got []string
	for _, crd := range Kinds(r, nil) {
		got = append(got, crd.GetName())
	}
	if strings.Join(got, " ") != "externalsecrets.external-secrets.io podmonitors.monitoring.coreos.com probes.monitoring.coreos.com prometheusrules.monitoring.coreos.com servicemonitors.monitoring.coreos.com" {
		t.Errorf("got %v", got)
	}
}

func TestGates(t *testing.T) {
	for text, want := range map[string]int{"feature-gates: HPAScaleToZero=true\n": 1, "featureGates:\n  HPAScaleToZero: true\n": 1, "HPAScaleToZero=false": 0, "": 0} {
		tree, err := gitops.Read(fstest.MapFS{"talos/patch.yaml": {Data: []byte(text)}})
		if err != nil {
			t.Fatal(err)
		}
		if got := Gates(tree); len(got) != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}
