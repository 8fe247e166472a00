package standin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/gitops"
)

// Served is a source of the repo that stand-ins replace.
type Served struct {
	Kind string // HelmRepository or PackageRepository
	// Upstream is the source's URL or image, as the repo writes it where it first occurs.
	Upstream string
	// Spellings are all ways in which the repo writes it.
	Spellings []string
	URL       string   // address of the stand-ins
	Serves    []string // charts or packages, as "name version"
	// Unknown are those entries of Serves whose version differs from the catalogue's: whether upstream has
	// it is not known.
	Unknown []string
	// Insecure is true for a registry that speaks plain HTTP.
	Insecure bool
	// Digest is the SHA-256 of what the stand-ins consist of, as sha256: and hexadecimal digits.
	Digest string

	content hash.Hash
}

// holds adds to what the stand-ins consist of.
func (r *Served) holds(name string, content []byte) {
	if r.content == nil {
		r.content = sha256.New()
	}
	fmt.Fprintf(r.content, "%s %d\n", name, len(content))
	r.content.Write(content)
	r.Digest = "sha256:" + hex.EncodeToString(r.content.Sum(nil))
}

// Chart is a chart archive of one version.
type Chart struct {
	Name, Version string
	Archive       []byte
}

// Shelf is where stand-ins are put for a cluster's controllers to fetch.
type Shelf interface {
	// Charts serves charts in place of the Helm repository at a URL, and returns the URL at which
	// they are: the same one, if the controllers' requests are led here.
	Charts(ctx context.Context, upstream string, charts []Chart) (url string, err error)
	// Place is the repository of an OCI registry that takes the place of another one: the same one, or one
	// that speaks plain HTTP.
	Place(repository string) string
	// Push uploads an image, whose name begins with what Place returned.
	Push(ctx context.Context, image string, img v1.Image) error
}

// Fill puts stand-ins on a shelf for every HelmRepository and PackageRepository of the
// repo that the catalogue knows. It returns these sources, sorted by kind and address.
func Fill(ctx context.Context, c *catalogue.Catalogue, shelf Shelf, repo *gitops.Repo) ([]Served, error) {
	return fill(ctx, c, shelf, repo, func(*gitops.Source) bool { return true })
}

// Packages is Fill for PackageRepositories only: charts are made when they are asked for (package ondemand).
func Packages(ctx context.Context, c *catalogue.Catalogue, shelf Shelf, repo *gitops.Repo) ([]Served, error) {
	return fill(ctx, c, shelf, repo, func(s *gitops.Source) bool { return s.Is(gitops.PackageRepositoryKind) })
}

func fill(ctx context.Context, c *catalogue.Catalogue, shelf Shelf, repo *gitops.Repo, which func(*gitops.Source) bool) ([]Served, error) {
	f := filler{catalogue: c, shelf: shelf, repo: repo}
	var out []Served
	for _, same := range byAddress(repo) {
		if !which(same[0]) {
			continue
		}
		serve := f.charts
		if same[0].Is(gitops.PackageRepositoryKind) {
			serve = f.packages
		}
		r, err := serve(ctx, same[0])
		if err != nil {
			return nil, fmt.Errorf("stand in for %s: %w", same[0].URL, err)
		}
		if r == nil {
			continue
		}
		r.Kind, r.Upstream = same[0].GetKind(), same[0].URL
		for _, s := range same {
			if !slices.Contains(r.Spellings, s.URL) {
				r.Spellings = append(r.Spellings, s.URL)
			}
		}
		out = append(out, *r)
	}
	return out, nil
}

// byAddress groups the Helm and package repositories by their address: those with the
// same one count as one source.
func byAddress(repo *gitops.Repo) [][]*gitops.Source {
	groups := map[string][]*gitops.Source{}
	for _, s := range repo.Sources() {
		if s.URL != "" && (s.Is(gitops.HelmRepositoryKind) || s.Is(gitops.PackageRepositoryKind)) {
			at := s.GetKind() + " " + gitops.CanonicalURL(s.URL)
			groups[at] = append(groups[at], s)
		}
	}
	var out [][]*gitops.Source
	for _, at := range slices.Sorted(maps.Keys(groups)) {
		out = append(out, groups[at])
	}
	return out
}

type filler struct {
	catalogue *catalogue.Catalogue
	shelf     Shelf
	repo      *gitops.Repo
}

// charts serves a Helm repository: over HTTP, or as OCI images if the repo's URL has oci://.
func (f *filler) charts(ctx context.Context, from *gitops.Source) (*Served, error) {
	services := ChartsOf(f.catalogue, from.URL)
	if len(services) == 0 {
		return nil, nil
	}
	out := &Served{}
	var charts []Chart
	for _, service := range services {
		name := service.Chart.Name
		for _, version := range versions(f.repo.Exact(from, name), service.Chart.Version) {
			archive, err := PackChart(service, version, nil)
			if err != nil {
				return nil, err
			}
			charts = append(charts, Chart{name, version, archive})
			out.Add(charts[len(charts)-1], service.Chart.Version)
		}
	}
	var err error
	if !strings.HasPrefix(from.URL, "oci://") {
		out.URL, err = f.shelf.Charts(ctx, from.URL, charts)
		return out, err
	}
	own := strings.TrimRight(strings.TrimPrefix(from.URL, "oci://"), "/")
	repository := f.shelf.Place(own)
	out.URL, out.Insecure = "oci://"+repository, repository != own
	if !out.Insecure {
		out.URL = from.URL
	}
	for _, c := range charts {
		image, err := ChartImage(c.Archive)
		if err != nil {
			return nil, err
		}
		if err := f.shelf.Push(ctx, repository+"/"+c.Name+":"+Tag(c.Version), image); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Add records a chart that is served; known is the version that the catalogue has, "" if it has none.
func (r *Served) Add(c Chart, known string) {
	r.holds(c.Name+" "+c.Version, c.Archive)
	r.serves(c.Name, c.Version, known)
}

// serves records a version that is served; known is the catalogue's, or "".
func (r *Served) serves(name, version, known string) {
	r.Serves = append(r.Serves, name+" "+version)
	if version != known && known != "" {
		r.Unknown = append(r.Unknown, name+" "+version)
	}
}

// packages pushes a package repository's bundle and those of its packages.
func (f *filler) packages(ctx context.Context, from *gitops.Source) (*Served, error) {
	services := packagesOf(f.catalogue, from.URL)
	if len(services) == 0 {
		return nil, nil
	}
	upstream, err := name.ParseReference(from.URL)
	if err != nil {
		return nil, err
	}
	place := f.shelf.Place(upstream.Context().Name())
	out := &Served{URL: place + ":stand-in"}
	if _, byTag := upstream.(name.Tag); place == upstream.Context().Name() {
		out.URL = from.URL
		if !byTag { // what is asked for by its digest, a stand-in can't be
			out.URL = packagesAt + "/" + Short(from.URL) + ":stand-in"
		}
	}
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
		for _, file := range slices.Sorted(maps.Keys(config)) {
			out.holds(service.Name+"/"+file, config[file])
		}
		image := f.shelf.Place(packagesAt+"/"+service.Name) + ":" + Tag(service.Package.Version)
		if err := f.pushBundle(ctx, image, config); err != nil {
			return nil, err
		}
		refName := service.Package.RefName
		dir := path.Join("packages", refName)
		if repository[path.Join(dir, "metadata.yaml")], err = packageMetadata(refName, service.Title); err != nil {
			return nil, err
		}
		for _, version := range versions(f.repo.Exact(from, refName), service.Package.Version) {
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

// Tag returns a version in the form of a registry's tag, in which + is not allowed.
func Tag(version string) string { return strings.ReplaceAll(version, "+", "_") }

// packagesAt is the registry that the stand-ins of packages are at: no registry has that name.
const packagesAt = "stand-ins.seatrial.invalid"

// Short returns a short name for a source's URL, for use in paths.
func Short(upstream string) string {
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

// readTree reads every file of a file system; as is the folder that their names begin with.
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
