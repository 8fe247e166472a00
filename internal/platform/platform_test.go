package platform

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

const (
	services = "platforms/clusters/services/" + File
	other    = "platforms/clusters/other/" + File
)

const declared = `
apiVersion: v1
kind: ConfigMap
metadata: {name: cluster-essentials, namespace: flux-system}
data:
  flavour: tkg-2
  packagingGlobalNamespace: tkg-system
  registryProxy: |
    docker.io: harbor.my-domain.com/hub
    '*': harbor.my-domain.com/rest
  directImages: |
    docker.io/envoyproxy/envoy: the way to Harbor leads through it
`

func TestDeclaration(t *testing.T) {
	p, err := In(map[string][]byte{services: []byte(declared)}, "")
	if err != nil || p.Flavour != "tkg-2" || p.PodSecurity != "restricted" || p.PackagingGlobalNamespace != "tkg-system" || len(p.Proxies) != 2 || len(p.Direct) != 1 {
		t.Fatalf("%v %+v", err, p)
	}
	if got := strings.Join(p.Assumptions(), "\n"); !strings.Contains(got, "enforce restricted (flavour tkg-2), except kube-system and tkg-system") || !strings.Contains(got, "proxies of *, docker.io") {
		t.Error(got)
	}
	generic, err := Parse([]byte(strings.Replace(declared, "tkg-2", "generic", 1)))
	if err != nil || generic.PodSecurity != "" {
		t.Errorf("%v %+v", err, generic)
	}
	if got := (Platform{}).Assumptions(); len(got) > 0 {
		t.Error(got)
	}
}

func TestWhoseDeclaration(t *testing.T) {
	both := map[string][]byte{services: []byte(declared), other: []byte(strings.Replace(declared, "tkg-2", "generic", 1))}
	for path, want := range map[string]string{
		"": "", "platforms/clusters/services/kustomizations": "tkg-2", "./platforms/clusters/other/kustomizations/": "generic", "platforms/clusters/services-2/x": "",
	} {
		if p, err := In(both, path); err != nil || p.Flavour != want {
			t.Errorf("%s: %v %+v", path, err, p)
		}
	}
	if p, err := In(nil, ""); err != nil || p.Flavour != "" {
		t.Errorf("%v %+v", err, p)
	}
	inner := map[string][]byte{"flux-sources/cluster-essentials/cluster-essentials.yaml": both[other], services: both[services]}
	if p, err := In(inner, "platforms/clusters/services/kustomizations"); err != nil || p.Flavour != "tkg-2" {
		t.Errorf("not the innermost: %v %+v", err, p)
	}
}

func TestBypass(t *testing.T) {
	p, err := Parse([]byte(declared))
	if err != nil {
		t.Fatal(err)
	}
	only := Platform{Proxies: maps.Clone(p.Proxies)}
	delete(only.Proxies, "*")
	for _, c := range []struct {
		of     Platform
		image  string
		want   string
		bypass bool
	}{
		{p, "harbor.my-domain.com/hub/library/postgres:18", "", false},
		{p, "harbor.my-domain.com/team/app:1", "", false},
		{p, "harbor.my-domain.com.evil.com/hub/x:1", "harbor.my-domain.com/rest/hub/x:1", true},
		{p, "postgres:18", "harbor.my-domain.com/hub/library/postgres:18", true},
		{p, "docker.io/a/b:1@sha256:00", "harbor.my-domain.com/hub/a/b:1@sha256:00", true},
		{p, "quay.io/a/b", "harbor.my-domain.com/rest/a/b", true},
		{p, "docker.io/envoyproxy/envoy:v1", "", false},
		{p, "envoyproxy/envoy@sha256:00", "", false},
		{only, "quay.io/a/b:1", "", true},
		{Platform{}, "quay.io/a/b:1", "", false},
	} {
		if want, bypass := c.of.Bypass(c.image); want != c.want || bypass != c.bypass {
			t.Errorf("%s: got %q %v", c.image, want, bypass)
		}
	}
	if !slices.Contains(Exempt, "kube-system") {
		t.Error("no pod of Kubernetes's own would run")
	}
}

func TestHandMadeDeclarations(t *testing.T) {
	const head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cluster-essentials, namespace: flux-system}\ndata:\n"
	for text, c := range map[string]struct {
		says  string // the error
		level string
	}{
		"kind: Secret\ndata: {flavour: tkg-2}": {},
		"a: [":                                 {},
		strings.Replace(declared, "name: cluster-essentials", "name: b", 1): {},
		"kind: Namespace\n---\n" + declared:                                 {level: "restricted"},
		head + "  flavour: tkg-2\n  podSecurity: privileged\n":              {level: "privileged"},
		head + "  podSecurity: strict\n":                                    {says: `want privileged, baseline or restricted, not "strict"`},
		head + "  registryProxy: |\n    a: [\n":                             {says: "registryProxy: want lines such as"},
		head + "  registryProxy: |\n    a: https://b\n":                     {says: "without https://"},
	} {
		p, err := In(map[string][]byte{services: []byte(text)}, "")
		if (err != nil) != (c.says != "") || err != nil && (!strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), services)) || err == nil && p.PodSecurity != c.level {
			t.Errorf("%q: %v %+v", text, err, p)
		}
	}
	p, err := Parse([]byte(head + "  registryProxy: harbor.my-domain.com/hub\n  directImages: |\n    postgres: needed\n    quay.io/a/b:1: needed\n"))
	if err != nil || p.Proxies["*"] != "harbor.my-domain.com/hub" || p.Direct["docker.io/library/postgres"] == "" || p.Direct["quay.io/a/b"] == "" {
		t.Errorf("%v %+v", err, p)
	}
}
