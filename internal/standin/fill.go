package standin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

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

// Chart is a chart archive of one version.
type Chart struct {
	Name, Version string
	Archive       []byte
}

// Shelf is where stand-ins are put for a cluster's controllers to fetch.
type Shelf interface {
	// Charts serves charts as a Helm repository of its own and returns its URL.
	Charts(ctx context.Context, repository string, charts []Chart) (url string, err error)
	// Registry is the host, and perhaps a first folder, of an OCI registry that speaks plain HTTP.
	Registry() string
	// Push uploads an image, whose name begins with Registry.
	Push(ctx context.Context, image string, img v1.Image) error
}

// Fill puts every wanted source that the catalogue knows on a shelf, and returns those.
func Fill(ctx context.Context, c *catalogue.Catalogue, shelf Shelf, wanted []Wanted) ([]Redirect, error) {
	f := filler{catalogue: c, shelf: shelf}
	var out []Redirect
	for _, w := range wanted {
		var r *Redirect
		var err error
		switch w.Kind {
		case "HelmRepository":
			r, err = f.charts(ctx, w)
		case "PackageRepository":
			r, err = f.packages(ctx, w)
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

type filler struct {
	catalogue *catalogue.Catalogue
	shelf     Shelf
}

// charts serves a Helm repository, of the kind that the repo asks for.
func (f *filler) charts(ctx context.Context, w Wanted) (*Redirect, error) {
	services := chartsOf(f.catalogue, w.Upstream)
	if len(services) == 0 {
		return nil, nil
	}
	out := &Redirect{Kind: w.Kind, Upstream: w.Upstream}
	var charts []Chart
	for _, service := range services {
		name := service.Chart.Name
		for _, version := range versions(w.Versions[name], service.Chart.Version) {
			archive, err := packChart(service, version)
			if err != nil {
				return nil, err
			}
			charts = append(charts, Chart{name, version, archive})
			out.serves(name, version, service.Chart.Version)
		}
	}
	var err error
	if !strings.HasPrefix(w.Upstream, "oci://") {
		out.URL, err = f.shelf.Charts(ctx, short(w.Upstream), charts)
		return out, err
	}
	repository := f.shelf.Registry() + "/charts/" + short(w.Upstream)
	out.URL, out.Insecure = "oci://"+repository, true
	for _, c := range charts {
		image, err := chartImage(c.Archive)
		if err != nil {
			return nil, err
		}
		if err := f.shelf.Push(ctx, repository+"/"+c.Name+":"+tag(c.Version), image); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// serves notes a version that is served.
func (r *Redirect) serves(name, version, known string) {
	r.Serves = append(r.Serves, name+" "+version)
	if version != known {
		r.Unknown = append(r.Unknown, name+" "+version)
	}
}

// packages pushes a package repository's bundle and those of its packages.
func (f *filler) packages(ctx context.Context, w Wanted) (*Redirect, error) {
	services := packagesOf(f.catalogue, w.Upstream)
	if len(services) == 0 {
		return nil, nil
	}
	host := f.shelf.Registry()
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
		if err := f.pushBundle(ctx, image, config); err != nil {
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
	return out, f.pushBundle(ctx, out.URL, repository)
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
func (f *filler) pushBundle(ctx context.Context, image string, files map[string][]byte) error {
	img, err := bundle(files)
	if err != nil {
		return err
	}
	return f.shelf.Push(ctx, image, img)
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
