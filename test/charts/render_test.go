package charts

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/generate"
	"seatrial.dev/seatrial/internal/standin"
)

// helm is the version of Helm that renders.
// renovate: datasource=go depName=helm.sh/helm/v4
const helm = "helm.sh/helm/v4/cmd/helm@v4.2.4"

// release is a HelmRelease of the generated repo.
type release struct {
	Metadata struct{ Name, Namespace string }
	Spec     struct {
		Chart struct {
			Spec struct{ Chart, Version string }
		}
		Values        map[string]any
		PostRenderers []struct {
			Kustomize struct{ Images []struct{ Name string } }
		}
	}
	service *catalogue.Service
}

// rewritten are the images that Flux renames after rendering.
func (r release) rewritten() []string {
	var out []string
	for _, p := range r.Spec.PostRenderers {
		for _, i := range p.Kustomize.Images {
			out = append(out, i.Name)
		}
	}
	return out
}

// newRenderer skips the test where no charts are at hand.
func newRenderer(t *testing.T) *renderer {
	t.Helper()
	where := os.Getenv("SEATRIAL_CHARTS")
	if where == "" {
		t.Skip("set SEATRIAL_CHARTS to a folder of charts, or to live")
	}
	return &renderer{helm: helmProgram(t), charts: where, dir: t.TempDir()}
}

// helmProgram builds Helm, unless a path is given in SEATRIAL_HELM.
func helmProgram(t *testing.T) string {
	t.Helper()
	if at := os.Getenv("SEATRIAL_HELM"); at != "" {
		return at
	}
	bin := t.TempDir()
	c := exec.Command("go", "install", helm)
	c.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=")
	c.Dir = bin
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(bin, "helm")
}

// releases renders the full blueprint and returns its HelmReleases.
func releases(t *testing.T, proxy blueprint.RegistryProxy) []release {
	t.Helper()
	text, err := os.ReadFile("../../fixtures/blueprints/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	b, err := blueprint.Parse("full.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	b.RegistryProxy, b.RegistryProxies = proxy, nil
	files, err := generate.Render(b, generate.NewCredentials(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	var out []release
	for name, f := range files {
		if filepath.Base(filepath.Dir(name)) != "helm" {
			continue
		}
		var rel release
		if err := yaml.Unmarshal(f.Data, &rel); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, s := range c.Services {
			if s.Chart != nil && s.Component != "stand-in" && s.Chart.Name == rel.Spec.Chart.Spec.Chart {
				rel.service = s
			}
		}
		out = append(out, rel)
	}
	return out
}

// known are releases of the charts that only other people's repos use, with the values that
// their stand-ins read.
func known(t *testing.T) []release {
	t.Helper()
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]map[string]any{"minio-upstream": {"existingSecret": "minio-root"}}
	var out []release
	for _, s := range c.Services {
		if s.Component == "stand-in" {
			rel := release{service: s}
			rel.Metadata.Name, rel.Metadata.Namespace, rel.Spec.Values = s.Chart.Name, s.Name, values[s.Name]
			out = append(out, rel)
		}
	}
	return out
}

// renderer renders charts with Helm.
type renderer struct {
	helm, charts, dir string
	api               []string // kinds that the API has, as Helm writes them
}

// chart finds a real chart: its folder or its archive.
func (r *renderer) chart(s *catalogue.Service) (string, error) {
	if r.charts == "live" {
		at := filepath.Join(r.dir, s.Chart.Name+"-"+s.Chart.Version+".tgz")
		if _, err := os.Stat(at); err == nil {
			return at, nil
		}
		args := []string{"pull", "--version", s.Chart.Version, "--destination", r.dir}
		if s.Chart.OCI() {
			args = append(args, s.Chart.URL+"/"+s.Chart.Name)
		} else {
			args = append(args, "--repo", s.Chart.URL, s.Chart.Name)
		}
		if out, err := exec.Command(r.helm, args...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
		return at, nil
	}
	for _, name := range []string{s.Chart.Name + "-" + s.Chart.Version + ".tgz", s.Name, s.Chart.Name} {
		at := filepath.Join(r.charts, name)
		if _, err := os.Stat(at); err == nil {
			return at, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("no %s in %s", s.Chart.Name, r.charts)
}

// standIn writes the stand-in of a service's chart and returns its file.
func (r *renderer) standIn(t *testing.T, s *catalogue.Service) string {
	t.Helper()
	archive, err := standin.PackChart(s, s.Chart.Version, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(r.dir, s.Name+"-stand-in.tgz")
	if err := os.WriteFile(at, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	return at
}

// template renders a release with a chart.
func (r *renderer) template(t *testing.T, rel release, chart string) []*unstructured.Unstructured {
	t.Helper()
	values, err := yaml.Marshal(rel.Spec.Values)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(r.helm, "template", rel.Metadata.Name, chart, "--namespace", rel.Metadata.Namespace, "--values", "-",
		"--include-crds", "--skip-tests", "--kube-version", "1.36.0")
	for _, kind := range r.api {
		c.Args = append(c.Args, "--api-versions", kind)
	}
	c.Stdin = bytes.NewReader(values)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("%s: %v: %s", chart, err, errs.String())
	}
	var objects []*unstructured.Unstructured
	for d := utilyaml.NewYAMLOrJSONDecoder(&out, 4096); ; {
		o := &unstructured.Unstructured{}
		if err := d.Decode(&o.Object); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatalf("%s: %v", chart, err)
		}
		if len(o.Object) > 0 {
			objects = append(objects, o)
		}
	}
}

// version is that of a real chart.
func (r *renderer) version(t *testing.T, chart string) string {
	t.Helper()
	out, err := exec.Command(r.helm, "show", "chart", chart).Output()
	if err != nil {
		t.Fatal(err)
	}
	var meta struct{ Version string }
	if err := yaml.Unmarshal(out, &meta); err != nil {
		t.Fatal(err)
	}
	return meta.Version
}
