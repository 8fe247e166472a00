// Package catalogue reads the services that a blueprint may ask for. Each is a
// folder of repo-template/services: service.yaml says what it is, the files
// beside it are what the generator renders and what stands in for its chart or
// package in a rehearsal.
package catalogue

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"

	repotemplate "seatrial.dev/seatrial/repo-template"
)

// Service is one entry of the catalogue.
type Service struct {
	// Name is the name of the service's folder and of its Helm release or
	// PackageInstall, and its key in a blueprint.
	Name  string `json:"-"`
	Title string `json:"title"`
	// Namespace is where the service's objects live. Components have none: they live in
	// the namespace of the service that needs them.
	Namespace string `json:"namespace,omitempty"`
	// PodSecurity is the Pod Security level that the namespace is labelled with; empty for one
	// whose pods keep to "restricted", the strictest, which is what unlabelled namespaces of a
	// Tanzu cluster enforce.
	PodSecurity string `json:"podSecurity,omitempty"`
	// Component is empty for a service that a blueprint can ask for. Otherwise it is "database"
	// or "cache", for what is deployed along with a service that needs one, or "stand-in", for
	// a chart that is known, so that a rehearsal can replace it, but not offered.
	Component string   `json:"component,omitempty"`
	Chart     *Chart   `json:"chart,omitempty"`
	Package   *Package `json:"package,omitempty"`
	// Timeout of the release's install and upgrade, as a duration.
	Timeout string `json:"timeout,omitempty"`
	// Requires are services that must be in the same blueprint.
	Requires []string `json:"requires,omitempty"`
	// DependsOn are services whose releases must be ready before this one's.
	DependsOn []string `json:"dependsOn,omitempty"`
	// After are services whose releases must be ready before this one's if the blueprint asks for them.
	After []string `json:"after,omitempty"`
	// Moved says what to do for whoever has an earlier chart of this service, if there was one.
	Moved    string     `json:"moved,omitempty"`
	Database *Database  `json:"database,omitempty"`
	Cache    bool       `json:"cache,omitempty"`
	Expose   []Exposure `json:"expose,omitempty"`
	// OIDCClient is true if people sign on to it by Keycloak.
	OIDCClient bool `json:"oidcClient,omitempty"`
	// ResourcesAt is where in the values its main resources are; "resources" by default.
	ResourcesAt string `json:"resourcesAt,omitempty"`
	// Images are all images that the service's pods run, as its manifests refer to them.
	Images []string `json:"images"`
	// ValuesRewrite are the images whose registry proxy is set in the chart's values or in another
	// file of the service; a post-renderer or an overlay rewrites all others.
	ValuesRewrite []string `json:"valuesRewrite,omitempty"`
}

// Chart is where a Helm chart comes from.
type Chart struct {
	Repository string `json:"repository"` // name of the HelmRepository
	URL        string `json:"url"`
	Name       string `json:"name"`
	Version    string `json:"version"`
}

// OCI says whether the chart comes from a registry.
func (c Chart) OCI() bool { return strings.HasPrefix(c.URL, "oci://") }

// Renovate returns the text of a Renovate comment for the chart: where to look for
// newer versions.
func (c Chart) Renovate() string {
	if c.OCI() {
		return "datasource=docker depName=" + strings.TrimPrefix(c.URL, "oci://") + "/" + c.Name
	}
	return "datasource=helm registryUrl=" + c.URL + " depName=" + c.Name
}

// Package is a Carvel package.
type Package struct {
	RefName    string `json:"refName"`
	Version    string `json:"version"`
	Repository string `json:"repository"` // name of the PackageRepository
}

// Database is what a service needs of PostgreSQL.
type Database struct {
	Name string `json:"name"`
	User string `json:"user"`
	// Extensions are created when the database is.
	Extensions []string `json:"extensions,omitempty"`
	// Settings are parameters of the server.
	Settings map[string]string `json:"settings,omitempty"`
}

// Exposure is a host name that leads to a Service.
type Exposure struct {
	Host            string `json:"host"`
	Service         string `json:"service"`
	Port            int    `json:"port"`
	ResponseTimeout string `json:"responseTimeout,omitempty"`
	Websockets      bool   `json:"websockets,omitempty"`
	// Routes are parts of the host that lead to other ports of the Service.
	Routes []Route `json:"routes,omitempty"`
	// Issuer overrides the blueprint's.
	Issuer string `json:"issuer,omitempty"`
}

// Route is a part of a host: the paths that begin with Prefix.
type Route struct {
	Prefix string `json:"prefix"`
	Port   int    `json:"port"`
}

// PackageRepository is where packages come from.
type PackageRepository struct {
	Name    string   `json:"name"`
	Image   string   `json:"image"`
	Version string   `json:"version"`
	Mirrors []string `json:"mirrors,omitempty"`
}

// Catalogue is all services, by name, and the package repositories.
type Catalogue struct {
	Services            []*Service
	PackageRepositories []PackageRepository
}

// Load returns the catalogue, which it reads once. The catalogue is embedded in the
// program, so an error is a defect of the program.
var Load = sync.OnceValues(load)

func load() (*Catalogue, error) {
	c := &Catalogue{}
	if err := read("package-repositories.yaml", &c.PackageRepositories); err != nil {
		return nil, err
	}
	dirs, err := fs.ReadDir(repotemplate.Files, "services")
	if err != nil {
		return nil, err
	}
	for _, d := range dirs {
		s := &Service{}
		if err := read(path.Join("services", d.Name(), "service.yaml"), s); err != nil {
			return nil, err
		}
		s.Name, s.Timeout = d.Name(), cmp.Or(s.Timeout, "10m")
		s.ResourcesAt = cmp.Or(s.ResourcesAt, "resources")
		c.Services = append(c.Services, s)
	}
	return c, nil
}

func read(name string, to any) error {
	b, err := fs.ReadFile(repotemplate.Files, name)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(b, to); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Service finds a service by name.
func (c *Catalogue) Service(name string) *Service {
	i := slices.IndexFunc(c.Services, func(s *Service) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return c.Services[i]
}

// Component returns the service whose Component is kind, "database" or "cache". It
// panics if there is none.
func (c *Catalogue) Component(kind string) *Service {
	return c.Services[slices.IndexFunc(c.Services, func(s *Service) bool { return s.Component == kind })]
}

// Names are those of the services that a blueprint may ask for.
func (c *Catalogue) Names() []string {
	var out []string
	for _, s := range c.Services {
		if s.Component == "" {
			out = append(out, s.Name)
		}
	}
	return out
}

// File returns a file of the service's folder, or nil if it has none of that name.
func (s *Service) File(name string) ([]byte, error) {
	b, err := fs.ReadFile(repotemplate.Files, path.Join("services", s.Name, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// Files are the YAML files of the service's folder whose names begin with layer, sorted: layer.yaml
// and layer-TEXT.yaml.
func (s *Service) Files(layer string) ([]string, error) {
	entries, err := fs.ReadDir(repotemplate.Files, path.Join("services", s.Name))
	var out []string
	for _, e := range entries {
		rest, found := strings.CutPrefix(strings.TrimSuffix(e.Name(), ".yaml"), layer)
		if found && !e.IsDir() && (rest == "" || rest[0] == '-') {
			out = append(out, e.Name())
		}
	}
	return out, err
}

// Dir returns a folder inside the service's folder.
func (s *Service) Dir(name string) (fs.FS, error) {
	return fs.Sub(repotemplate.Files, path.Join("services", s.Name, name))
}

// SplitImage splits a reference as a manifest writes it into the name and the version that
// follows it, as it stands there: ":tag", "@digest", ":tag@digest" or nothing.
func SplitImage(image string) (name, version string) {
	name, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	return name, image[len(name):]
}

// Registry splits an image's name into the registry's host and the repository there, as
// container runtimes do: a name without a host is on Docker Hub, and a name without a
// folder there is in "library/".
func Registry(name string) (host, repository string) {
	first, rest, found := strings.Cut(name, "/")
	if found && (strings.ContainsAny(first, ".:") || first == "localhost") {
		host, repository = first, rest
	} else {
		host, repository = "docker.io", name
	}
	if host == "docker.io" && !strings.Contains(repository, "/") {
		repository = "library/" + repository
	}
	return host, repository
}

var (
	action    = regexp.MustCompile(`\[\[.*?\]\]`)
	block     = regexp.MustCompile(`(?m)^\s*\[\[-? (if|with|range|end|else).*\]\]\s*$`)
	valuePath = regexp.MustCompile(`\.Values((?:\.\w+)+)`)
)

// KnownValues are the values that the service's chart is known to read: those that the
// catalogue sets, and those that its stand-in reads. It is nil if the service's files
// can't be read as YAML.
func (s *Service) KnownValues() map[string]any {
	text, err := s.File("values.yaml")
	if err != nil {
		return nil
	}
	out := map[string]any{}
	plain := action.ReplaceAll(block.ReplaceAll(text, nil), []byte("x"))
	if err := yaml.Unmarshal(plain, &out); err != nil {
		return nil
	}
	standIn, err := s.File("stand-in.yaml")
	if err != nil {
		return nil
	}
	for _, keys := range ValuePaths(string(standIn)) {
		at := out
		for _, key := range keys {
			next, ok := at[key].(map[string]any)
			if !ok {
				if _, set := at[key]; !set {
					at[key] = map[string]any{}
				}
				if next, ok = at[key].(map[string]any); !ok {
					break
				}
			}
			at = next
		}
	}
	return out
}

// ValuePaths are the values that a Helm template refers to, as paths of keys.
func ValuePaths(template string) [][]string {
	var out [][]string
	for _, m := range valuePath.FindAllStringSubmatch(template, -1) {
		out = append(out, strings.Split(m[1][1:], "."))
	}
	return out
}
