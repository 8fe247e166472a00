package check

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// several makes a repo of layers, by name, whose folder holds a text; spec is more of a layer's spec, after a line "spec: ".
func several(t *testing.T, layers map[string]string, more map[string]string) *gitops.Repo {
	t.Helper()
	tree := fstest.MapFS{}
	for name, text := range layers {
		spec, manifest, found := strings.Cut(text, "\n===\n")
		if !found {
			spec, manifest = "", text
		}
		tree["clusters/a/"+name+".yaml"] = &fstest.MapFile{Data: []byte("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: " + name + ", namespace: flux-system}\nspec: {path: ./layers/" + name + ", sourceRef: {kind: GitRepository, name: flux-system}" + spec + "}\n")}
		tree["layers/"+name+"/all.yaml"] = &fstest.MapFile{Data: []byte(manifest)}
	}
	for name, text := range more {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	r, err := gitops.Load(tree, "clusters/a")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func told(all []finding.Finding) string {
	var out []string
	for _, f := range all {
		out = append(out, fmt.Sprintf("%s %s %s: %s", f.Severity, f.Layer, f.Object, f.Message))
	}
	return strings.Join(out, "\n")
}

const (
	configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: default}\ndata: {a: VALUE}\n"
	issuer    = "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: c, namespace: default}\nspec: {secretName: c, issuerRef: {kind: ClusterIssuer, name: vault-issuer}}\n"
	monitor   = "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: m, namespace: default}\n"
)

func release(name, chart string) string {
	return "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: " + name + ", namespace: default}\nspec: {values: {crds: {enabled: true}}, chart: {spec: {chart: " + chart + ", sourceRef: {kind: HelmRepository, name: h}}}}\n"
}

func TestSharedObject(t *testing.T) {
	one := strings.Replace(configMap, "VALUE", "one", 1)
	for name, c := range map[string]struct {
		other string
		want  string
	}{
		"another content":           {strings.Replace(configMap, "VALUE", "two", 1), "warning b ConfigMap/default/x: layers a and b both apply it, with different content"},
		"the same":                  {one, ""},
		"on purpose":                {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: default, annotations: {kustomize.toolkit.fluxcd.io/ssa: Merge}}\ndata: {b: two}\n", ""},
		"another layer that sleeps": {", suspend: true\n===\n" + strings.Replace(configMap, "VALUE", "two", 1), ""},
	} {
		got := told(sharedObject(several(t, map[string]string{"a": one, "b": c.other}, nil), Options{}))
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: got %q", name, got)
		}
	}
	// Without a kustomization.yaml, the outer layer takes the inner one's files.
	r := several(t, map[string]string{"a": one}, map[string]string{"clusters/a/inner.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: inner, namespace: flux-system}\nspec: {path: ./clusters/a/in, sourceRef: {kind: GitRepository, name: flux-system}, postBuild: {substitute: {x: y}}}\n", "clusters/a/in/cm.yaml": strings.Replace(strings.Replace(configMap, "name: x,", "name: z,", 1), "VALUE", "'${x}'", 1)})
	if found := sharedObject(r, Options{}); len(found) != 1 || !strings.Contains(found[0].Fix, "move clusters/a/in out of clusters/a, or add a kustomization.yaml there") {
		t.Errorf("got %+v", found)
	}
}

func TestCircularWaits(t *testing.T) {
	crd := "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: servicemonitors.monitoring.coreos.com}\nspec: {group: monitoring.coreos.com}\n"
	for name, c := range map[string]struct {
		layers map[string]string
		want   string
	}{
		"kinds and dependsOn":    {map[string]string{"certs": release("cert-manager", "cert-manager") + "---\n" + monitor, "mon": ", dependsOn: [{name: certs}]\n===\n" + release("kube-prometheus-stack", "kube-prometheus-stack")}, "error certs ServiceMonitor/default/m: certs and mon wait for each other"},
		"kinds and an issuer":    {map[string]string{"helm": release("vault", "vault") + "---\n" + strings.Replace(issuer, "vault-issuer", "other", 1), "kapp": release("cert-manager", "cert-manager") + "---\n" + issuer}, "warning helm Certificate/default/c: helm and kapp wait for each other"},
		"kinds in one direction": {map[string]string{"certs": release("cert-manager", "cert-manager") + "---\n" + monitor, "mon": release("kube-prometheus-stack", "kube-prometheus-stack")}, ""},
		"kinds that came before": {map[string]string{"crds": crd, "certs": ", dependsOn: [{name: crds}]\n===\n" + monitor, "mon": ", dependsOn: [{name: certs}]\n===\n" + release("kube-prometheus-stack", "kube-prometheus-stack")}, ""},
	} {
		got := told(circularWaits(several(t, c.layers, nil), Options{}))
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestOrphaned(t *testing.T) {
	layers := map[string]string{}
	for _, name := range []string{"a", "b", "c"} {
		layers[name] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: default}\n"
	}
	object := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: default}\n"
	for name, c := range map[string]struct {
		more map[string]string
		want string
	}{
		"a folder that nobody takes": {map[string]string{"layers/late/x.yaml": object}, "no Kustomization leads to layers/late"},
		"a base":                     {map[string]string{"layers/base/kustomization.yaml": "resources: [x.yaml]\n", "layers/base/x.yaml": object, "layers/a/kustomization.yaml": "resources: [all.yaml, ../base]\n"}, ""},
		"another cluster's":          {map[string]string{"layers/late/x.yaml": object, "clusters/b/l.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: late, namespace: flux-system}\nspec: {path: ./layers/late}\n"}, ""},
		"no manifest":                {map[string]string{"layers/late/values.yaml": "a: 1\n"}, ""},
	} {
		got := told(orphaned(several(t, layers, c.more), Options{}))
		if !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestMissingNamespaces(t *testing.T) {
	object := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: web}\n"
	for name, c := range map[string]struct {
		layers map[string]string
		known  []string
		want   string
	}{
		"nobody brings it":   {map[string]string{"a": object}, nil, "warning a ConfigMap/web/x: no layer brings namespace web"},
		"another layer does": {map[string]string{"a": object, "b": "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n"}, nil, ""},
		"it was there":       {map[string]string{"a": object}, []string{"web"}, ""},
		"a release makes it": {map[string]string{"a": object, "b": strings.Replace(release("r", "c"), "spec: {", "spec: {targetNamespace: web, install: {createNamespace: true}, ", 1)}, nil, ""},
	} {
		if got := told(missingNamespaces(several(t, c.layers, nil), Options{Namespaces: c.known})); got != c.want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
