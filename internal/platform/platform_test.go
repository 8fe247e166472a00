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

const declaration = `
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
	p, err := In(map[string][]byte{services: []byte(declaration)}, "")
	if err != nil || p.Flavour != "tkg-2" || p.PodSecurity != "restricted" || p.PackagingGlobalNamespace != "tkg-system" || len(p.Proxies) != 2 || len(p.Direct) != 1 {
		t.Fatalf("%v %+v", err, p)
	}
	if got := strings.Join(p.Assumptions(), "\n"); !strings.Contains(got, "enforce restricted (flavour tkg-2), except kube-system and tkg-system") || !strings.Contains(got, "proxies of *, docker.io") {
		t.Error(got)
	}
	generic, err := Parse([]byte(strings.Replace(declaration, "tkg-2", "generic", 1)))
	if err != nil || generic.PodSecurity != "" {
		t.Errorf("%v %+v", err, generic)
	}
	if got := (Platform{}).Assumptions(); len(got) > 0 {
		t.Error(got)
	}
}

func TestWhoseDeclaration(t *testing.T) {
	both := map[string][]byte{services: []byte(declaration), other: []byte(strings.Replace(declaration, "tkg-2", "generic", 1))}
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
	for text, fails := range map[string]bool{"kind: Secret\ndata: {flavour: tkg-2}": false, "a: [": true, "kind: ConfigMap\ndata: {registryProxy: 'a: ['}": true} {
		p, err := In(map[string][]byte{services: []byte(text)}, "")
		if (err != nil) != fails || p.PodSecurity != "" || fails && !strings.Contains(err.Error(), services) {
			t.Errorf("%q: %v %+v", text, err, p)
		}
	}
}

func TestBypass(t *testing.T) {
	p, err := Parse([]byte(declaration))
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
		{p, "harbor.my-domain.com/hubris/x:1", "harbor.my-domain.com/rest/hubris/x:1", true},
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
