package standin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/catalogue"
)

// Wanted is a source that a repo uses.
type Wanted struct {
	Kind     string // HelmRepository or PackageRepository
	Upstream string // its URL or image
	// Versions are those that are asked for by an exact number, by chart or package.
	Versions map[string][]string
}

// Redirect is a source that is served from here.
type Redirect struct {
	Kind     string
	Upstream string
	URL      string // where it is served
	Serves   []string
	// Unknown are versions that the catalogue does not know of: whether upstream has them is not known here.
	Unknown []string
	// Insecure is true for a registry that speaks plain HTTP.
	Insecure bool
}

// Server serves charts and an OCI registry.
type Server struct {
	catalogue *catalogue.Catalogue
	mux       *http.ServeMux
}

// NewServer prepares to serve stand-ins of a catalogue.
func NewServer(c *catalogue.Catalogue) *Server {
	s := &Server{catalogue: c, mux: http.NewServeMux()}
	s.mux.Handle("/v2/", registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Fill makes every wanted source that the catalogue knows available below
// base, the server's own URL, and returns those. The server must be serving.
func (s *Server) Fill(base string, wanted []Wanted) ([]Redirect, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	var out []Redirect
	for _, w := range wanted {
		var r *Redirect
		switch w.Kind {
		case "HelmRepository":
			if strings.HasPrefix(w.Upstream, "oci://") {
				r, err = s.pushCharts(u.Host, w)
			} else {
				r, err = s.addCharts(base, w)
			}
		case "PackageRepository":
			r, err = s.addPackages(u.Host, w)
		}
		if err != nil {
			return nil, fmt.Errorf("stand in for %s: %w", w.Upstream, err)
		}
		if r != nil {
			out = append(out, *r)
		}
	}
	return out, nil
}

// addCharts serves a Helm repository.
func (s *Server) addCharts(base string, w Wanted) (*Redirect, error) {
	services := chartsOf(s.catalogue, w.Upstream)
	if len(services) == 0 {
		return nil, nil
	}
	dir := "/charts/" + short(w.Upstream) + "/"
	entries := map[string][]map[string]any{}
	out := &Redirect{Kind: w.Kind, Upstream: w.Upstream, URL: strings.TrimSuffix(base, "/") + dir}
	err := out.pack(services, w, func(chart, version string, archive []byte) error {
		digest := sha256.Sum256(archive)
		file := fmt.Sprintf("%s-%s.tgz", chart, version)
		s.mux.HandleFunc("GET "+dir+file, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) })
		entries[chart] = append(entries[chart], map[string]any{
			"apiVersion": "v2", "name": chart, "version": version, "appVersion": "stand-in",
			"urls": []string{file}, "digest": hex.EncodeToString(digest[:]), "created": "2026-01-01T00:00:00Z",
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	index, err := yaml.Marshal(map[string]any{"apiVersion": "v1", "generated": "2026-01-01T00:00:00Z", "entries": entries})
	if err != nil {
		return nil, err
	}
	s.mux.HandleFunc("GET "+dir+"index.yaml", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(index) })
	return out, nil
}

// pushCharts makes the charts of an OCI Helm repository available.
func (s *Server) pushCharts(host string, w Wanted) (*Redirect, error) {
	services := chartsOf(s.catalogue, w.Upstream)
	if len(services) == 0 {
		return nil, nil
	}
	repository := host + "/charts/" + short(w.Upstream)
	out := &Redirect{Kind: w.Kind, Upstream: w.Upstream, URL: "oci://" + repository, Insecure: true}
	return out, out.pack(services, w, func(chart, version string, archive []byte) error {
		image, err := chartImage(archive)
		if err != nil {
			return err
		}
		return push(repository+"/"+chart+":"+tag(version), image)
	})
}

// pack makes the charts of services, in every version that is wanted, and has
// each of them served.
func (r *Redirect) pack(services []*catalogue.Service, w Wanted, serve func(chart, version string, archive []byte) error) error {
	for _, service := range services {
		chart := service.Chart.Name
		for _, version := range versions(w.Versions[chart], service.Chart.Version) {
			archive, err := packChart(service, version)
			if err != nil {
				return err
			}
			if err := serve(chart, version, archive); err != nil {
				return err
			}
			r.serves(chart, version, service.Chart.Version)
		}
	}
	return nil
}

// serves notes a version that is served.
func (r *Redirect) serves(name, version, known string) {
	r.Serves = append(r.Serves, name+" "+version)
	if version != known {
		r.Unknown = append(r.Unknown, name+" "+version)
	}
}

// addPackages pushes a package repository's bundle and those of its packages.
func (s *Server) addPackages(host string, w Wanted) (*Redirect, error) {
	services := packagesOf(s.catalogue, w.Upstream)
	if len(services) == 0 {
		return nil, nil
	}
	upstream, err := name.ParseReference(w.Upstream)
	if err != nil {
		return nil, err
	}
	out := &Redirect{Kind: w.Kind, Upstream: w.Upstream, URL: host + "/" + upstream.Context().RepositoryStr() + ":stand-in"}
	repository := map[string][]byte{}
	for _, service := range services {
		files, err := service.Dir("stand-in")
		if err != nil {
			return nil, err
		}
		config, err := readTree(files, "config")
		if err != nil {
			return nil, err
		}
		image := host + "/stand-ins/" + service.Name + ":" + tag(service.Package.Version)
		if err := pushBundle(image, config); err != nil {
			return nil, err
		}
		refName := service.Package.RefName
		dir := path.Join("packages", refName)
		if repository[path.Join(dir, "metadata.yaml")], err = packageMetadata(refName, service.Title); err != nil {
			return nil, err
		}
		for _, version := range versions(w.Versions[refName], service.Package.Version) {
			if repository[path.Join(dir, version+".yaml")], err = packageVersion(refName, version, image); err != nil {
				return nil, err
			}
			out.serves(refName, version, service.Package.Version)
		}
	}
	return out, pushBundle(out.URL, repository)
}

// versions are those that are asked for and the catalogue's own, each once.
func versions(asked []string, own string) []string {
	all := append(slices.Clone(asked), own)
	slices.Sort(all)
	return slices.Compact(all)
}

// tag writes a version as a registry's tag.
func tag(version string) string { return strings.ReplaceAll(version, "+", "_") }

// short names a source in a path.
func short(upstream string) string {
	sum := sha256.Sum256([]byte(upstream))
	return hex.EncodeToString(sum[:6])
}

// pushBundle uploads files as an imgpkg bundle.
func pushBundle(image string, files map[string][]byte) error {
	img, err := bundle(files)
	if err != nil {
		return err
	}
	return push(image, img)
}

func push(image string, img v1.Image) error {
	ref, err := name.ParseReference(image, name.Insecure)
	if err != nil {
		return err
	}
	return remote.Write(ref, img)
}

// readTree reads every file of a folder, as files of another.
func readTree(files fs.FS, as string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := fs.WalkDir(files, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		out[path.Join(as, p)], err = fs.ReadFile(files, p)
		return err
	})
	return out, err
}
