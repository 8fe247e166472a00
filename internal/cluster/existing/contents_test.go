package existing

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/hint"
)

func TestRefuse(t *testing.T) {
	if err := (contents{kapp: true}).refuse(); err != nil {
		t.Errorf("a cluster with kapp-controller: %v", err)
	}
	for want, i := range map[string]contents{
		"GitRepository flux-system/flux-system of https://git.example.com/fleet": {flux: []string{"GitRepository flux-system/flux-system of https://git.example.com/fleet"}},
		"Secret harbor/admin": {taken: []string{"Secret harbor/admin"}},
		"and 2 more":          {taken: make([]string, 10)},
	} {
		err := i.refuse()
		if err == nil || !strings.Contains(err.Error(), want) || hint.Of(err) == "" {
			t.Errorf("got %v, want a refusal that names %s", err, want)
		}
	}
}

func TestPlanNamesWhatIsTouched(t *testing.T) {
	plan := contents{server: "https://scratch:6443", global: "tkg-system"}.plan()
	for _, want := range []string{"https://scratch:6443", "flux-system", "Gitea", "kapp-controller", "tkg-system"} {
		if !strings.Contains(plan, want) {
			t.Errorf("%q does not name %s", plan, want)
		}
	}
	if strings.Contains(contents{kapp: true}.plan(), "kapp-controller") {
		t.Error("kapp-controller is there already and not added")
	}
}

func TestReleaseIsVerified(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/some-controller/releases/download/v1.2.3/release.yml" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte("kind: Deployment\n"))
	}))
	defer server.Close()
	upstream := releases
	releases = server.URL
	defer func() { releases = upstream }()
	sum := sha256.Sum256([]byte("kind: Deployment\n"))
	r := release{name: "some-controller", version: "v1.2.3", sha256: hex.EncodeToString(sum[:])}
	if b, err := r.fetch(t.Context()); err != nil || string(b) != "kind: Deployment\n" {
		t.Errorf("got %q, %v", b, err)
	}
	r.sha256 = strings.Repeat("0", 64)
	if _, err := r.fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "which is not the pinned") {
		t.Errorf("another content: %v", err)
	}
	r.version = "v9"
	if _, err := r.fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("no such release: %v", err)
	}
}

func TestImagesComeThroughThePrefix(t *testing.T) {
	i := Default()
	if got := i.At("ghcr.io/fluxcd/flux-cli:v1"); got != "ghcr.io/fluxcd/flux-cli:v1" {
		t.Error(got)
	}
	i.Prefix = "harbor.example.com/proxy/"
	for _, image := range i.All() {
		if !strings.HasPrefix(image, "harbor.example.com/proxy/") || strings.Contains(image, "//") {
			t.Error(image)
		}
	}
	if got := string(i.at([]byte("image: ghcr.io/carvel-dev/kapp-controller@sha256:1\n"))); got != "image: harbor.example.com/proxy/ghcr.io/carvel-dev/kapp-controller@sha256:1\n" {
		t.Error(got)
	}
}

// Flux is installed with what the repo's generators need, from where its images come.
func TestFluxParts(t *testing.T) {
	c := &Cluster{Options: Options{Images: Images{Prefix: "proxy.example.com"}}}
	if got := c.fluxParts(); !slices.Equal(got, []string{"--registry=proxy.example.com/ghcr.io/fluxcd"}) {
		t.Errorf("got %q", got)
	}
	c.planned = []cluster.Object{{Group: "source.extensions.fluxcd.io", Kind: "ArtifactGenerator"}}
	if got := c.fluxParts(); len(got) != 2 || got[1] != "--components-extra=source-watcher" {
		t.Errorf("with a generator: got %q", got)
	}
}
