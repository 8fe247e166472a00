package standin

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/catalogue"
)

func serve(t *testing.T, wanted ...Wanted) []Redirect {
	t.Helper()
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer()
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	s.At(web.URL)
	out, err := Fill(t.Context(), c, s, wanted)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func get(t *testing.T, url string) io.ReadCloser {
	t.Helper()
	r, err := http.Get(url)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v %v", url, err, r)
	}
	t.Cleanup(func() { r.Body.Close() })
	return r.Body
}

func names(t *testing.T, r io.Reader) string {
	t.Helper()
	var out []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return strings.Join(out, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, h.Name)
	}
}

func TestChartsAreServedInTheVersionsThatAreAskedFor(t *testing.T) {
	got := serve(t, Wanted{Kind: "HelmRepository", Upstream: "https://aquasecurity.github.io/helm-charts/", Versions: map[string][]string{"trivy": {"0.21.0"}}},
		Wanted{Kind: "HelmRepository", Upstream: "https://charts.example.com"})
	if len(got) != 1 || strings.Join(got[0].Serves, ",") != "trivy 0.21.0,trivy 0.22.0" {
		t.Fatalf("got %+v", got)
	}
	b, err := io.ReadAll(get(t, got[0].URL+"index.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var index struct {
		Entries map[string][]struct {
			Version string
			URLs    []string
		}
	}
	if err := yaml.Unmarshal(b, &index); err != nil || len(index.Entries["trivy"]) != 2 {
		t.Fatalf("%v %s", err, b)
	}
	gz, err := gzip.NewReader(get(t, got[0].URL+index.Entries["trivy"][0].URLs[0]))
	if err != nil {
		t.Fatal(err)
	}
	if files := names(t, gz); files != "trivy/Chart.yaml trivy/stand-in.yaml trivy/templates/stand-in.yaml trivy/values.yaml" {
		t.Errorf("got %s", files)
	}
}

func TestPackageRepositoryIsABundleOfPackages(t *testing.T) {
	got := serve(t, Wanted{Kind: "PackageRepository", Upstream: "projects.packages.broadcom.com/tkg/packages/standard/repo:v1"})
	if len(got) != 1 || len(got[0].Serves) != 2 {
		t.Fatalf("got %+v", got)
	}
	if u, err := url.Parse("http://" + got[0].URL); err != nil || !strings.HasPrefix(u.Host, "127.0.0.1:") {
		t.Fatalf("served at %s", got[0].URL)
	}
	ref, err := name.ParseReference(got[0].URL, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil || config.Config.Labels["dev.carvel.imgpkg.bundle"] != "true" {
		t.Errorf("not a bundle: %v %v", config.Config.Labels, err)
	}
	files := names(t, mutate.Extract(img))
	for _, want := range []string{".imgpkg/images.yml", path.Join("packages", "contour.tanzu.vmware.com", "metadata.yaml")} {
		if !strings.Contains(files, want) {
			t.Errorf("no %s in %s", want, files)
		}
	}
}

func TestChartsOfARegistryAreServedThere(t *testing.T) {
	got := serve(t, Wanted{Kind: "HelmRepository", Upstream: "oci://registry-1.docker.io/cloudpirates", Versions: map[string][]string{"minio": {"0.14.0"}}})
	if len(got) != 1 || !got[0].Insecure || strings.Join(got[0].Serves, ",") != "minio 0.13.3,minio 0.14.0" {
		t.Fatalf("got %+v", got)
	}
	ref, err := name.ParseReference(strings.TrimPrefix(got[0].URL, "oci://")+"/minio:0.14.0", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := img.Manifest()
	if err != nil || len(manifest.Layers) != 1 || manifest.Config.MediaType != "application/vnd.cncf.helm.config.v1+json" {
		t.Errorf("%v %+v", err, manifest)
	}
}
