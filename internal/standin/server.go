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
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"sigs.k8s.io/yaml"
)

// Wanted is a source that a repo uses.
type Wanted struct {
	Kind     string // HelmRepository or PackageRepository
	Upstream string // its URL or image
	// Versions are those that releases ask for by an exact number, by chart.
	Versions map[string][]string
}

// Redirect is a source that is served from here.
type Redirect struct {
	Kind     string
	Upstream string
	URL      string // where it is served
	Serves   []string
}

// Server serves charts and an OCI registry.
type Server struct {
	catalogue *Catalogue
	mux       *http.ServeMux
}

// NewServer prepares to serve stand-ins of a catalogue.
func NewServer(c *Catalogue) *Server {
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
			r, err = s.addCharts(base, w)
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
	charts := s.catalogue.chartsOf(w.Upstream)
	if len(charts) == 0 {
		return nil, nil
	}
	sum := sha256.Sum256([]byte(w.Upstream))
	dir := "/charts/" + hex.EncodeToString(sum[:6]) + "/"
	entries := map[string][]map[string]any{}
	out := &Redirect{Kind: w.Kind, Upstream: w.Upstream, URL: strings.TrimSuffix(base, "/") + dir}
	for _, chart := range charts {
		files, err := s.catalogue.sub("charts", chart)
		if err != nil {
			return nil, err
		}
		meta, err := readMap(files, "Chart.yaml")
		if err != nil {
			return nil, err
		}
		versions := append(slices.Clone(w.Versions[chart]), fmt.Sprint(meta["version"]))
		slices.Sort(versions)
		for _, version := range slices.Compact(versions) {
			archive, err := packChart(files, chart, version)
			if err != nil {
				return nil, err
			}
			digest := sha256.Sum256(archive)
			file := fmt.Sprintf("%s-%s.tgz", chart, version)
			s.mux.HandleFunc("GET "+dir+file, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) })
			entries[chart] = append(entries[chart], map[string]any{
				"apiVersion": "v2", "name": chart, "version": version, "appVersion": meta["appVersion"],
				"urls": []string{file}, "digest": hex.EncodeToString(digest[:]), "created": "2026-01-01T00:00:00Z",
			})
			out.Serves = append(out.Serves, chart+" "+version)
		}
	}
	index, err := yaml.Marshal(map[string]any{"apiVersion": "v1", "generated": "2026-01-01T00:00:00Z", "entries": entries})
	if err != nil {
		return nil, err
	}
	s.mux.HandleFunc("GET "+dir+"index.yaml", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(index) })
	return out, nil
}

// addPackages pushes a package repository's bundle and those of its packages.
func (s *Server) addPackages(host string, w Wanted) (*Redirect, error) {
	packages := s.catalogue.packagesOf(w.Upstream)
	if len(packages) == 0 {
		return nil, nil
	}
	upstream, err := name.ParseReference(w.Upstream)
	if err != nil {
		return nil, err
	}
	out := &Redirect{Kind: w.Kind, Upstream: w.Upstream, URL: host + "/" + upstream.Context().RepositoryStr() + ":stand-in"}
	repository := map[string][]byte{}
	for _, p := range packages {
		files, err := s.catalogue.sub("packages", p)
		if err != nil {
			return nil, err
		}
		meta, err := readMap(files, "package.yaml")
		if err != nil {
			return nil, err
		}
		refName, version := fmt.Sprint(meta["refName"]), fmt.Sprint(meta["version"])
		image := host + "/stand-ins/" + p + ":" + strings.ReplaceAll(version, "+", "_")
		config, err := readTree(files, "config")
		if err != nil {
			return nil, err
		}
		if err := push(image, config); err != nil {
			return nil, err
		}
		dir := path.Join("packages", refName)
		if repository[path.Join(dir, "metadata.yaml")], err = packageMetadata(refName, fmt.Sprint(meta["displayName"])); err != nil {
			return nil, err
		}
		if repository[path.Join(dir, version+".yaml")], err = packageVersion(refName, version, image); err != nil {
			return nil, err
		}
		out.Serves = append(out.Serves, refName+" "+version)
	}
	return out, push(out.URL, repository)
}

// push uploads files as an imgpkg bundle.
func push(image string, files map[string][]byte) error {
	ref, err := name.ParseReference(image, name.Insecure)
	if err != nil {
		return err
	}
	img, err := bundle(files)
	if err != nil {
		return err
	}
	return remote.Write(ref, img)
}

func readMap(files fs.FS, file string) (map[string]any, error) {
	b, err := fs.ReadFile(files, file)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	if err := yaml.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return m, nil
}

func readTree(files fs.FS, dir string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := fs.WalkDir(files, dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		out[p], err = fs.ReadFile(files, p)
		return err
	})
	return out, err
}
