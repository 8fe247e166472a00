package generate

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/catalogue"
)

// every is a proxy of one project for all registries.
var every = blueprint.RegistryProxy{blueprint.AnyRegistry: "harbor.platform.my-domain.com/dh-proxy"}

// Every image goes through the proxy of its registry, or its entry says why not.
func TestEachRegistryHasItsProxy(t *testing.T) {
	b := full(t)
	b.RegistryProxies = map[string]string{"quay.io": "harbor.platform.my-domain.com/quay"}
	for _, one := range []bool{false, true} {
		if one {
			b.RegistryProxy = every
		}
		images, err := Images(b)
		if err != nil || len(images) < 50 {
			t.Fatalf("%d images, %v", len(images), err)
		}
		for _, i := range images {
			host, rest, _ := strings.Cut(i.Image, "/")
			want, why := i.Image, ""
			switch {
			case host == "quay.io":
				want = "harbor.platform.my-domain.com/quay/" + rest
			case one:
				want = "harbor.platform.my-domain.com/dh-proxy/" + rest
			case b.RegistryProxy[host] != "":
				want = b.RegistryProxy[host] + "/" + rest
			default:
				why = "registryProxy names no proxy of " + host
			}
			if i.PulledAs != want || i.Direct != why {
				t.Errorf("%s is pulled as %s (%q), want %s (%q)", i.Image, i.PulledAs, i.Direct, want, why)
			}
		}
	}
}

// A cluster whose proxy is the Harbor that it installs pulls Harbor, and what leads to it,
// directly; everything else waits for Harbor, and Harbor's route for nothing.
func TestOwnHarborAsProxy(t *testing.T) {
	b := alone(load(t), "harbor")
	b.Services["trivy"], b.Services["gitlab"], b.Services["contour"] = &blueprint.Service{}, &blueprint.Service{}, &blueprint.Service{}
	b.Services["harbor"].Host = "registry"
	b.RegistryProxy = blueprint.RegistryProxy{"docker.io": "registry.services.my-domain.com/dh-proxy", "ghcr.io": "registry.services.my-domain.com/ghcr", "quay.io": "harbor.platform.my-domain.com/quay"}
	b.Services["vault"], b.Issuer = &blueprint.Service{}, "vault-issuer"
	images, err := Images(b)
	if err != nil {
		t.Fatal(err)
	}
	direct := map[string]string{}
	for _, i := range images {
		direct[i.Service] = i.Direct
		if (i.Direct == "") != (strings.HasPrefix(i.PulledAs, "registry.services.my-domain.com/") || strings.HasPrefix(i.PulledAs, "harbor.platform.my-domain.com/quay/jetstack/")) {
			t.Errorf("%s: pulled as %s, because %q", i.Image, i.PulledAs, i.Direct)
		}
	}
	for service, why := range map[string]string{
		"contour": "the way to Harbor", "cert-manager": "", "harbor": "it is the proxy", "harbor-postgresql": "needs it", "trivy": "", "gitlab-postgresql": "", "vault": "",
	} {
		if got := direct[service]; (got == "") != (why == "") || !strings.Contains(got, why) {
			t.Errorf("%s: %q, want %q", service, got, why)
		}
	}
	files := render(t, b)
	for name, waits := range map[string]bool{"helm/trivy.yaml": true, "helm/gitlab-postgresql.yaml": true, "helm/gitlab-valkey.yaml": true, "helm/harbor-postgresql.yaml": false} {
		if got := strings.Contains(string(files[sources+name].Data), "  - name: harbor\n    namespace: harbor\n"); got != waits {
			t.Errorf("%s waits for harbor: %v", name, got)
		}
	}
	if text := string(files[sources+"helm/harbor.yaml"].Data) + string(files[sources+"kapp/contour.yaml"].Data); strings.Contains(text, "dh-proxy") {
		t.Error(text)
	}
	if _, late := files[sources+"helm-post/harbor.yaml"]; late {
		t.Error("Harbor's route waits for what waits for Harbor")
	}
	if route := string(files[sources+"kapp-post/harbor.yaml"].Data); !strings.Contains(route, "name: bootstrap-issuer") || !strings.Contains(route, "registry.services.my-domain.com") {
		t.Error(route)
	}
	if notes := strings.Join(Notes(b), "\n"); !strings.Contains(notes, "the Harbor that this repo installs") {
		t.Error(notes)
	}
}

// What is declared in the repo is what a rehearsal holds the cluster's images against.
func TestDeclaredProxies(t *testing.T) {
	b := full(t)
	var m struct{ Data map[string]string }
	if err := yaml.Unmarshal(render(t, b)[sources+"cluster-essentials/cluster-essentials.yaml"].Data, &m); err != nil {
		t.Fatal(err)
	}
	var proxies, direct map[string]string
	if err := yaml.Unmarshal([]byte(m.Data["registryProxy"]), &proxies); err != nil || !maps.Equal(proxies, b.RegistryProxy) {
		t.Errorf("%v %v", err, proxies)
	}
	if err := yaml.Unmarshal([]byte(m.Data["directImages"]), &direct); err != nil || !slices.Equal(slices.Collect(maps.Keys(direct)), []string{"docker.gitea.com/gitea"}) {
		t.Errorf("%v %v", err, direct)
	}
	b.RegistryProxy = every
	if text := string(render(t, b)[sources+"cluster-essentials/cluster-essentials.yaml"].Data); !strings.Contains(text, "'*': harbor.platform") || strings.Contains(text, "directImages") {
		t.Error(text)
	}
	// A release manifest is applied as it is, so its images are listed.
	r := &renderer{blueprint: b, catalogue: load(t), essentials: []string{"spec:\n  image: ghcr.io/carvel-dev/kapp-controller@sha256:1234\n"}}
	if got, err := r.directImages(); err != nil || len(got) != 1 || got[0].Image != "ghcr.io/carvel-dev/kapp-controller" {
		t.Errorf("%v %v", err, got)
	}
}

func TestOlderFormsOfTheProxyAreNoted(t *testing.T) {
	b := blueprint.Default()
	b.RegistryProxy, b.RegistryProxies = every, map[string]string{"quay.io": "harbor.my-domain.com/quay"}
	b.Services["keycloak"] = &blueprint.Service{}
	b.RegistryProxy = blueprint.RegistryProxy{blueprint.AnyRegistry: "harbor.platform.my-domain.com/dh-proxy", "dokcer.io": "harbor.my-domain.com/hub", "ghcr.io": "harbor.my-domain.com/quay"}
	notes := strings.Join(Notes(b), "\n")
	for _, want := range []string{"registryProxy names dokcer.io, from which no image of this blueprint comes: did you mean docker.io?", "ghcr.io and quay.io share harbor.my-domain.com/quay", "write registryProxy: {docker.io: harbor.platform.my-domain.com/dh-proxy, quay.io: …}", "registryProxies is the older way"} {
		if !strings.Contains(notes, want) {
			t.Errorf("no %q in %s", want, notes)
		}
	}
}

func load(t *testing.T) *catalogue.Catalogue {
	t.Helper()
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
