package catalogue

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func loaded(t *testing.T) *Catalogue {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Every service has all that the generator and a rehearsal take from it.
func TestServicesAreComplete(t *testing.T) {
	c := loaded(t)
	if len(c.Services) < 15 {
		t.Errorf("only %d services", len(c.Services))
	}
	repositories := map[string]string{} // URLs, by name
	for _, s := range c.Services {
		complain := func(format string, args ...any) { t.Errorf("%s: %s", s.Name, fmt.Sprintf(format, args...)) }
		if s.Title == "" || len(s.Images) == 0 {
			complain("title %q, images %v", s.Title, s.Images)
		}
		if (s.Namespace == "") != (s.Component != "") {
			complain("component %q in namespace %q", s.Component, s.Namespace)
		}
		if !slices.Contains([]string{"", "database", "cache", "stand-in"}, s.Component) {
			complain("component %q", s.Component)
		}
		if !slices.Contains([]string{"", "baseline", "privileged"}, s.PodSecurity) {
			complain("pod security %q", s.PodSecurity)
		}
		if d, err := time.ParseDuration(s.Timeout); err != nil || d < 5*time.Minute || d > time.Hour {
			complain("timeout %q: %v", s.Timeout, err)
		}
		switch {
		case (s.Chart == nil) == (s.Package == nil):
			complain("it is a chart or a package")
		case s.Package != nil:
			if s.Package.RefName == "" || s.Package.Version == "" || !slices.ContainsFunc(c.PackageRepositories, func(r PackageRepository) bool {
				return r.Name == s.Package.Repository && r.Image != "" && r.Version != ""
			}) {
				complain("package %+v", *s.Package)
			}
		default:
			if s.Chart.Repository == "" || s.Chart.Name == "" || s.Chart.Version == "" || !regexp.MustCompile(`^(https|oci)://.*[^/]$`).MatchString(s.Chart.URL) {
				complain("chart %+v", *s.Chart)
			}
			if known := repositories[s.Chart.Repository]; known != "" && known != s.Chart.URL {
				complain("repository %s is %s and %s", s.Chart.Repository, known, s.Chart.URL)
			}
			repositories[s.Chart.Repository] = s.Chart.URL
		}
		for _, file := range []string{"values.yaml", "stand-in.yaml"} {
			if b, err := s.File(file); s.Chart != nil && s.Component != "stand-in" && (len(b) == 0 || err != nil) {
				complain("no %s: %v", file, err)
			}
		}
		if s.Database != nil && (s.Database.Name == "" || s.Database.User == "") {
			complain("database %+v", *s.Database)
		}
		for _, image := range s.ValuesRewrite {
			if !slices.ContainsFunc(s.Images, func(i string) bool { name, _ := SplitImage(i); return name == image }) {
				complain("its values rewrite %s, which it does not run", image)
			}
		}
	}
}

// What services ask for is offered, no two want the same host, and none waits for itself.
func TestServicesAgree(t *testing.T) {
	c := loaded(t)
	offered, hosts := c.Names(), map[string]string{}
	var depends func(s *Service, on string, depth int) bool
	depends = func(s *Service, on string, depth int) bool {
		return depth > 0 && slices.ContainsFunc(s.DependsOn, func(d string) bool { return d == on || depends(c.Service(d), on, depth-1) })
	}
	for _, s := range c.Services {
		for _, name := range slices.Concat(s.Requires, s.DependsOn) {
			if !slices.Contains(offered, name) {
				t.Fatalf("%s asks for %s, which is not offered", s.Name, name)
			}
		}
		for _, e := range s.Expose {
			if e.Host == "" || e.Service == "" || e.Port <= 0 || hosts[e.Host] != "" {
				t.Errorf("%s: exposes %+v, %q has that host", s.Name, e, hosts[e.Host])
			}
			hosts[e.Host] = s.Name
		}
		for _, name := range s.DependsOn {
			if !slices.Contains(s.Requires, name) { // otherwise its release would wait for one that does not exist
				t.Errorf("%s waits for %s, but does not require it", s.Name, name)
			}
		}
	}
	for _, s := range c.Services {
		if depends(s, s.Name, len(c.Services)) {
			t.Errorf("%s waits for itself", s.Name)
		}
	}
}

func TestFindsServices(t *testing.T) {
	c := loaded(t)
	if s := c.Service("gitea"); s == nil || s.Name != "gitea" || s.Timeout != "10m" || s.ResourcesAt != "resources" {
		t.Errorf("got %+v, want gitea with the defaults", s)
	}
	if s := c.Service("gitlab"); s == nil || s.Timeout != "45m" || s.ResourcesAt != "gitlab.webservice.resources" {
		t.Errorf("got %+v, want gitlab's own settings", s)
	}
	if s := c.Service("none"); s != nil {
		t.Errorf("got %+v", s)
	}
	for kind, want := range map[string]string{"database": "postgresql", "cache": "valkey"} {
		if got := c.Component(kind).Name; got != want || slices.Contains(c.Names(), got) {
			t.Errorf("%s: got %s, want %s, which is not offered", kind, got, want)
		}
	}
	if b, err := c.Service("gitea").File("none.yaml"); b != nil || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
}

// A service.yaml that is missing or has unknown fields is an error that names the file.
func TestBrokenFolders(t *testing.T) {
	if err := read("services/none/service.yaml", &Service{}); err == nil || !strings.Contains(err.Error(), "services/none/service.yaml") {
		t.Errorf("a folder without service.yaml: %v", err)
	}
	// A misspelt field must be an error, not ignored.
	var title struct{ Title string }
	if err := read("services/gitea/service.yaml", &title); err == nil || !strings.Contains(err.Error(), `services/gitea/service.yaml: `) || !strings.Contains(err.Error(), "unknown field") {
		t.Errorf("unknown fields: %v", err)
	}
}

func TestChart(t *testing.T) {
	for url, want := range map[string]string{"https://x.io": "datasource=helm registryUrl=https://x.io depName=c", "oci://x.io/y": "datasource=docker depName=x.io/y/c"} {
		c := Chart{URL: url, Name: "c"}
		if got := c.Renovate(); got != want || c.OCI() != strings.HasPrefix(url, "oci:") {
			t.Errorf("got %s, OCI %v, want %s", got, c.OCI(), want)
		}
	}
}

func TestImages(t *testing.T) {
	for image, want := range map[string][4]string{
		"postgres:18.4":         {"postgres", ":18.4", "docker.io", "library/postgres"},
		"docker.io/postgres":    {"docker.io/postgres", "", "docker.io", "library/postgres"},
		"goharbor/core:v2":      {"goharbor/core", ":v2", "docker.io", "goharbor/core"},
		"quay.io/a/b:v1":        {"quay.io/a/b", ":v1", "quay.io", "a/b"},
		"localhost/a@sha256:00": {"localhost/a", "@sha256:00", "localhost", "a"},
		"a/b:v1@sha256:00":      {"a/b", ":v1@sha256:00", "docker.io", "a/b"},
		"registry:5000/a":       {"registry:5000/a", "", "registry:5000", "a"},
	} {
		name, version := SplitImage(image)
		host, repository := Registry(name)
		if got := [4]string{name, version, host, repository}; got != want {
			t.Errorf("%s: got %q, want %q", image, got, want)
		}
	}
}

// A chart reads the values that the catalogue sets and those that its stand-in reads, templates' actions or not.
func TestKnownValues(t *testing.T) {
	c := loaded(t)
	for _, s := range c.Services {
		if s.KnownValues() == nil {
			t.Errorf("%s: its values can't be told", s.Name)
		}
	}
	known := c.Service("gitea").KnownValues()
	for _, path := range []string{"strategy.type", "gitea.admin.email", "gitea.ldap", "persistence.size", "gitea.admin.existingSecret"} {
		var at any = known
		for _, key := range strings.Split(path, ".") {
			m, _ := at.(map[string]any)
			if at = m[key]; at == nil {
				t.Errorf("%s is not known", path)
				break
			}
		}
	}
	// The values that this chart reads are known from its stand-in only.
	got := c.Service("minio-upstream").KnownValues()
	for key, want := range map[string]any{"existingSecret": map[string]any{}, "persistence": map[string]any{"size": map[string]any{}}, "mode": nil} {
		if !reflect.DeepEqual(got[key], want) {
			t.Errorf("%s: got %v, want %v", key, got[key], want)
		}
	}
	if got := ValuePaths(`{{ .Values.a }} {{ if .Values.b.c }}{{ .name }}{{ end }} .Values`); !reflect.DeepEqual(got, [][]string{{"a"}, {"b", "c"}}) {
		t.Errorf("got %v", got)
	}
}
