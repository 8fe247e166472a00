package ondemand_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/standin/ondemand"
)

// shop is a maker behind a door.
type shop struct {
	*ondemand.Maker
	client *http.Client
}

// open makes a shop for a repo of manifests, and a cluster with live ones.
func open(t *testing.T, real func(string) bool, manifests string, live ...string) shop {
	t.Helper()
	services, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	repo, err := gitops.Load(fstest.MapFS{"c/all.yaml": {Data: []byte(manifests)}}, "c")
	if err != nil {
		t.Fatal(err)
	}
	if b := repo.Layers[0].Build; b != nil {
		t.Fatal(b)
	}
	door, err := egress.NewDoor(nil)
	if err != nil {
		t.Fatal(err)
	}
	var objects []*unstructured.Unstructured
	for _, text := range live {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, u)
	}
	maker := ondemand.New(ondemand.Options{
		Catalogue: services, Shelf: door.Shelf(), Repo: repo, Live: func() []*unstructured.Unstructured { return objects }, Real: real, Brings: repo.Brings,
	})
	door.OnDemand(func(ctx context.Context, u *url.URL) {
		if err := maker.Make(ctx, u); err != nil {
			t.Error(err)
		}
	})
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
	return shop{maker, &http.Client{Transport: transport}}
}

// get returns the status of an answer and its body.
func (s shop) get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := s.client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func never(string) bool { return false }

func object(version, kind, name, spec string) string {
	return "---\napiVersion: " + version + "\nkind: " + kind + "\nmetadata: {name: " + name + ", namespace: apps}\nspec: {" + spec + "}\n"
}

func source(kind, name, spec string) string {
	return object("source.toolkit.fluxcd.io/v1", kind, name, spec)
}

func release(name, spec string) string {
	return object("helm.toolkit.fluxcd.io/v2", "HelmRelease", name, spec)
}

const repository = "sourceRef: {kind: HelmRepository, name: shop}"

func TestRegistryOnDemand(t *testing.T) {
	t.Parallel()
	s := open(t, never,
		source("OCIRepository", "copied", `url: "oci://r.example.com/charts/copied", ref: {tag: 1.2.3}, layerSelector: {mediaType: application/vnd.cncf.helm.chart.content.v1.tar+gzip, operation: copy}`)+
			source("OCIRepository", "plain", `url: "oci://r.example.com/charts/plain", ref: {semver: ">=2"}`)+release("plain", "chartRef: {kind: OCIRepository, name: plain}")+
			source("OCIRepository", "manifests", `url: "oci://r.example.com/manifests", ref: {tag: latest}`)+
			object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "manifests", "sourceRef: {kind: OCIRepository, name: manifests}")+
			source("HelmRepository", "shop", `type: oci, url: "oci://r.example.com/shop"`)+release("boat", `chart: {spec: {chart: boat, version: 0.1.0+b, `+repository+`}}`)+
			source("OCIRepository", "named", `url: "oci://${HOST}/charts/named", ref: {tag: 1.0.0}`)+release("named", "chartRef: {kind: OCIRepository, name: named}"),
		source("OCIRepository", "named", `url: "oci://live.example.com/charts/named", ref: {tag: 1.0.0}`), release("named", "chartRef: {kind: OCIRepository, name: named}"),
	)
	for url, want := range map[string]int{
		"https://r.example.com/v2/":                                 200,
		"https://r.example.com/v2/charts/copied/manifests/1.2.3":    200,
		"https://r.example.com/v2/charts/copied/manifests/9.9.9":    404,
		"https://r.example.com/v2/charts/plain/manifests/2.0.0":     200,
		"https://r.example.com/v2/shop/boat/manifests/0.1.0_b":      200,
		"https://r.example.com/v2/manifests/manifests/latest":       egress.RefusedStatus,
		"https://r.example.com/v2/unheard/of/manifests/1.0.0":       egress.RefusedStatus,
		"https://live.example.com/v2/charts/named/manifests/1.0.0":  200,
		"https://other.example.com/v2/":                             egress.RefusedStatus,
		"https://other.example.com/charts/index.yaml":               egress.RefusedStatus,
		"https://r.example.com/v2/charts/copied/manifests/sha256-a": 404,
	} {
		if url == "https://r.example.com/v2/charts/plain/manifests/2.0.0" {
			if status, body := s.get(t, "https://r.example.com/v2/charts/plain/tags/list"); status != 200 || !strings.Contains(body, `"2.0.0"`) {
				t.Errorf("tags: %d %s", status, body)
			}
		}
		if got, body := s.get(t, url); got != want {
			t.Errorf("%s: %d, want %d: %s", url, got, want, body)
		}
	}
	generic, _ := s.Guesses()
	if want := []string{"boat 0.1.0+b", "copied 1.2.3", "named 1.0.0", "plain 2.0.0"}; !slices.Equal(generic, want) {
		t.Errorf("made %v, want %v", generic, want)
	}
}

func TestIndexOnDemand(t *testing.T) {
	t.Parallel()
	repo := source("HelmRepository", "shop", `url: "https://charts.example.com/a"`) +
		release("boat", `chart: {spec: {chart: boat, version: "~1.4", `+repository+`}}`) +
		source("HelmChart", "oar", `chart: oar, version: 2.0.0, `+repository)
	s := open(t, never, repo,
		source("HelmRepository", "shop", `url: "https://charts.example.com/a"`),
		release("sail", `chart: {spec: {chart: sail, version: 3.0.0, `+repository+`}}`))
	status, text := s.get(t, "https://charts.example.com/a/index.yaml")
	var index struct {
		Entries map[string][]struct {
			Version string   `json:"version"`
			URLs    []string `json:"urls"`
		} `json:"entries"`
	}
	if err := yaml.Unmarshal([]byte(text), &index); err != nil || status != 200 {
		t.Fatalf("%d %v: %s", status, err, text)
	}
	for chart, version := range map[string]string{"boat": "1.4.0", "oar": "2.0.0", "sail": "3.0.0"} {
		if len(index.Entries[chart]) != 1 || index.Entries[chart][0].Version != version {
			t.Errorf("%s: %v, want %s", chart, index.Entries[chart], version)
			continue
		}
		if status, _ := s.get(t, "https://charts.example.com/a/"+index.Entries[chart][0].URLs[0]); status != 200 {
			t.Errorf("archive of %s: %d", chart, status)
		}
	}
	answered := open(t, func(source string) bool { return source == "https://charts.example.com/a" }, repo)
	if status, _ := answered.get(t, "https://charts.example.com/a/index.yaml"); status != egress.RefusedStatus {
		t.Errorf("a source that answers itself has a stand-in: %d", status)
	}
}

// A kind comes with the chart that is known to bring it, with the one that is named like it, or with all.
func TestKindsComeWithCharts(t *testing.T) {
	t.Parallel()
	chart := func(name string) string {
		return release(name, `chart: {spec: {chart: `+name+`, version: 1.0.0, `+repository+`}}`)
	}
	s := open(t, never, source("HelmRepository", "shop", `url: "https://charts.example.com"`)+
		chart("keda")+chart("boat-operator")+chart("oar")+
		object("keda.sh/v1alpha1", "ScaledObject", "a", "")+object("boats.example.com/v1", "Boat", "a", "")+object("zz.example.org/v1", "Thing", "a", "")+
		"---\napiVersion: boats.example.com/v1beta1\nkind: ClusterBoat\nmetadata: {name: a}\n")
	kinds, charts := s.Kinds()
	if want := []string{"Boat.boats.example.com", "ClusterBoat.boats.example.com", "Thing.zz.example.org"}; !slices.Equal(kinds, want) {
		t.Errorf("guessed %v, want %v", kinds, want)
	}
	if want := []string{"boat-operator", "oar"}; !slices.Equal(charts, want) {
		t.Errorf("among %v, want %v", charts, want)
	}
}

// A chart that a repository of the catalogue's surely does not have stays missing.
func TestMisspeltChartsAreMissed(t *testing.T) {
	t.Parallel()
	s := open(t, never, source("HelmRepository", "shop", `url: "https://helm.goharbor.io"`)+release("harbour", `chart: {spec: {chart: harbour, version: 1.0.0, `+repository+`}}`))
	status, text := s.get(t, "https://helm.goharbor.io/index.yaml")
	if status != 200 || strings.Contains(text, "harbour") || !strings.Contains(text, "name: harbor") {
		t.Errorf("%d: %s", status, text)
	}
}

// A repository whose index was fetched too early is to fetch it again, once for each chart that it lacks.
func TestLateCharts(t *testing.T) {
	t.Parallel()
	boat := `chart: {spec: {chart: boat, version: "~1.4", ` + repository + `}}`
	s := open(t, never, source("HelmRepository", "shop", `url: "https://charts.example.com/a"`)+release("boat", boat))
	var objects []*unstructured.Unstructured
	for _, text := range []string{
		source("HelmRepository", "shop", `url: "https://charts.example.com/a/"`), release("boat", boat),
		release("sail", `chart: {spec: {chart: sail, version: 3.0.0, `+repository+`}}`),
		source("HelmRepository", "other", `url: "https://charts.example.com/b"`),
		release("oar", `chart: {spec: {chart: oar, version: 3.0.0, sourceRef: {kind: HelmRepository, name: other}}}`),
	} {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, u)
	}
	if late := s.Late(objects); len(late) > 0 {
		t.Errorf("nothing was fetched, and %v are late", late)
	}
	s.get(t, "https://charts.example.com/a/index.yaml")
	if late := s.Late(objects); len(late) != 1 || late[0].Name != "shop" {
		t.Errorf("late are %v", late)
	}
	if late := s.Late(objects); len(late) > 0 {
		t.Errorf("late are %v, again", late)
	}
}
