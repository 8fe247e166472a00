package standin_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/standin"
)

// contents are the files of a chart's archive, by name.
func contents(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	gz, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for r := tar.NewReader(gz); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = string(b)
	}
}

func TestAnyChartCanBePacked(t *testing.T) {
	t.Parallel()
	kinds := []standin.Kind{
		{Group: "boats.example.com", Kind: "BoatClass", Versions: []string{"v1alpha1", "v1"}, Cluster: true},
		{Group: "boats.k8s.io", Kind: "Ferry", Versions: []string{"v1"}},
	}
	for _, name := range append(standin.Known(), "unheard-of") {
		a := standin.Asked{Name: name, Version: "7.1.0", Kinds: kinds, Expected: map[string]standin.Expected{"a/b": {Workloads: []string{"Deployment/c"}}}}
		archive, err := standin.PackAny(a)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := standin.PackAny(a)
		if err != nil || !bytes.Equal(archive, again) {
			t.Errorf("%s: %v, or it differs from one time to the next", name, err)
		}
		files := contents(t, archive)
		if crd := files[name+"/crds/boatclass.boats.example.com.yaml"]; !strings.Contains(crd, "scope: Cluster") || strings.Count(crd, "served: true") != 2 || strings.Count(crd, "storage: true") != 1 || strings.Count(crd, "status: {}") != 2 {
			t.Errorf("%s: %s", name, crd)
		}
		if crd := files[name+"/crds/ferry.boats.k8s.io.yaml"]; !strings.Contains(crd, "api-approved.kubernetes.io") {
			t.Errorf("%s: %s", name, crd)
		}
		if a.Generic() != (name == "unheard-of") {
			t.Errorf("%s: generic is %v", name, a.Generic())
		}
	}
	if !slices.Contains(standin.Known(), "cert-manager") || !standin.Describes("cert-manager", "acme.cert-manager.io") || standin.Describes("cert-manager", "example.com") {
		t.Error("the descriptions are not read")
	}
	if (standin.Asked{Name: "app-template", Version: "1.5.1"}).Templated() {
		t.Error("version 1 of app-template has other values")
	}
}

// A kind that the description has, and the repo has others of its group of, is there in their versions, too.
func TestDescribedKindsKeepTheGroupsVersions(t *testing.T) {
	t.Parallel()
	archive, err := standin.PackAny(standin.Asked{Name: "cert-manager", Version: "1.0.0", Kinds: []standin.Kind{{Group: "cert-manager.io", Kind: "Other", Versions: []string{"v1beta9"}}}})
	if err != nil {
		t.Fatal(err)
	}
	crd := contents(t, archive)["cert-manager/crds/certificate.cert-manager.io.yaml"]
	if !strings.Contains(crd, "name: v1beta9") || !strings.Contains(crd, "name: v1\n") {
		t.Errorf("got %s", crd)
	}
}

// What an object of a kind of Kubernetes' own has to have is there, and another has a spec.
func TestLeast(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ version, kind, namespace, key, wantVersion string }{
		{"", "ConfigMap", "", "metadata", "v1"}, {"batch/v1", "Job", "sea", "spec", "batch/v1"}, {"batch.example.com/v2", "Job", "", "spec", "batch.example.com/v2"},
		{"", "Boat", "", "spec", ""}, {"example.com/v1", "ConfigMap", "", "spec", "example.com/v1"}, {"storage.k8s.io/v1", "StorageClass", "", "provisioner", "storage.k8s.io/v1"},
	} {
		o := unstructured.Unstructured{Object: standin.Least(c.version, c.kind, c.namespace, "a")}
		if o.Object[c.key] == nil || o.GetAPIVersion() != c.wantVersion || o.GetKind() != c.kind || o.GetName() != "a" || o.GetNamespace() != c.namespace {
			t.Errorf("%s %s: %v", c.version, c.kind, o.Object)
		}
	}
}

func TestParseKind(t *testing.T) {
	t.Parallel()
	if k, err := standin.ParseKind("a.b/v1/C/Cluster"); err != nil || !k.Cluster || k.Kind != "C" || k.Group != "a.b" {
		t.Errorf("%+v %v", k, err)
	}
	for _, bad := range []string{"", "a.b/C", "a.b/v1/C/Namespaced", "a.b//C", "a/b/c/Cluster/e"} {
		if _, err := standin.ParseKind(bad); err == nil {
			t.Errorf("%q is taken for a kind", bad)
		}
	}
}
