package standin_test

import (
	"archive/tar"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/standin"
)

// repository is a HelmRepository, and release a HelmRelease that takes a chart from it.
func repository(name, spec string) string {
	return "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: " + name + ", namespace: flux-system}\nspec: {" + spec + "}\n"
}

func release(repository, chart, version string) string {
	return "---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: " + repository + "-" + chart + ", namespace: flux-system}\n" +
		"spec: {chart: {spec: {chart: " + chart + ", version: " + version + ", sourceRef: {kind: HelmRepository, name: " + repository + "}}}}\n"
}

// serve puts stand-ins for the sources in the manifests of a repo behind a door, and returns a way through it.
func serve(t *testing.T, manifests ...string) ([]standin.Served, http.RoundTripper) {
	t.Helper()
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	repo, err := gitops.Load(fstest.MapFS{"c/all.yaml": {Data: []byte(strings.Join(manifests, ""))}}, "c")
	if err != nil {
		t.Fatal(err)
	}
	door, err := egress.NewDoor(nil)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(door)
	t.Cleanup(proxy.Close)
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(door.Certificate())
	transport := &http.Transport{Proxy: http.ProxyURL(at), TLSClientConfig: &tls.Config{RootCAs: trusted}}
	t.Cleanup(transport.CloseIdleConnections)
	out, err := standin.Fill(t.Context(), c, door.Shelf(), repo)
	if err != nil {
		t.Fatal(err)
	}
	return out, transport
}

func get(t *testing.T, through http.RoundTripper, url string) io.ReadCloser {
	t.Helper()
	r, err := (&http.Client{Transport: through}).Get(url)
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
	got, through := serve(t, repository("aqua", "url: https://aquasecurity.github.io/helm-charts/"), repository("same", "url: https://aquasecurity.github.io/helm-charts"),
		release("aqua", "trivy", "0.21.0"), repository("unknown", "url: https://charts.example.com"), release("unknown", "trivy", "9.9.9"))
	if len(got) != 1 || strings.Join(got[0].Serves, ",") != "trivy 0.21.0,trivy 0.22.0" {
		t.Fatalf("got %+v", got)
	}
	if want := "https://aquasecurity.github.io/helm-charts/ https://aquasecurity.github.io/helm-charts"; strings.Join(got[0].Spellings, " ") != want {
		t.Errorf("got %v, want %s", got[0].Spellings, want)
	}
	b, err := io.ReadAll(get(t, through, got[0].URL+"index.yaml"))
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
	gz, err := gzip.NewReader(get(t, through, got[0].URL+index.Entries["trivy"][0].URLs[0]))
	if err != nil {
		t.Fatal(err)
	}
	if files := names(t, gz); files != "trivy/Chart.yaml trivy/stand-in.yaml trivy/templates/_described.tpl trivy/templates/_out.tpl trivy/templates/stand-in.yaml trivy/values.yaml" {
		t.Errorf("got %s", files)
	}
}

func TestPackageRepositoryIsABundleOfPackages(t *testing.T) {
	got, through := serve(t, "apiVersion: packaging.carvel.dev/v1alpha1\nkind: PackageRepository\nmetadata: {name: standard, namespace: tkg-system}\n"+
		"spec: {fetch: {imgpkgBundle: {image: projects.packages.broadcom.com/tkg/packages/standard/repo:v1}}}\n")
	if len(got) != 1 || len(got[0].Serves) != 2 {
		t.Fatalf("got %+v", got)
	}
	if got[0].URL != got[0].Upstream {
		t.Fatalf("served at %s", got[0].URL)
	}
	ref, err := name.ParseReference(got[0].URL)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref, remote.WithTransport(through))
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
	got, through := serve(t, repository("pirates", "type: oci, url: oci://registry-1.docker.io/cloudpirates"), release("pirates", "minio", "0.14.0"))
	if len(got) != 1 || got[0].Insecure || got[0].URL != got[0].Upstream || strings.Join(got[0].Serves, ",") != "minio 0.13.3,minio 0.14.0" {
		t.Fatalf("got %+v", got)
	}
	ref, err := name.ParseReference(strings.TrimPrefix(got[0].URL, "oci://") + "/minio:0.14.0")
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref, remote.WithTransport(through))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := img.Manifest()
	if err != nil || len(manifest.Layers) != 1 || manifest.Config.MediaType != "application/vnd.cncf.helm.config.v1+json" {
		t.Errorf("%v %+v", err, manifest)
	}
}
