// Package standin serves small charts and packages in place of those that a
// rehearsal can't or shouldn't fetch. A stand-in has the name, the version, the
// kinds and the CRDs of the real one. Which source was replaced is part of the
// report: nothing is redirected silently.
package standin

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"sigs.k8s.io/yaml"
)

// Catalogue is what can be stood in for.
type Catalogue struct {
	Charts              []Chart             `json:"charts"`
	PackageRepositories []PackageRepository `json:"packageRepositories"`

	files fs.FS
}

// Chart stands in for a Helm chart.
type Chart struct {
	Repository string `json:"repository"` // upstream's URL, without a trailing slash
	Name       string `json:"chart"`
}

// PackageRepository stands in for a Carvel package repository.
type PackageRepository struct {
	Image    string   `json:"image"` // upstream's image, without tag and digest
	Packages []string `json:"packages"`
}

// Load reads catalogue.yaml and the folders charts/ and packages/ beside it.
func Load(files fs.FS) (*Catalogue, error) {
	b, err := fs.ReadFile(files, "catalogue.yaml")
	if err != nil {
		return nil, err
	}
	c := &Catalogue{files: files}
	if err := yaml.UnmarshalStrict(b, c); err != nil {
		return nil, fmt.Errorf("catalogue.yaml: %w", err)
	}
	return c, nil
}

// chartsOf returns the names of the charts that stand in for a Helm repository's.
func (c *Catalogue) chartsOf(url string) []string {
	var out []string
	for _, ch := range c.Charts {
		if ch.Repository == strings.TrimSuffix(url, "/") {
			out = append(out, ch.Name)
		}
	}
	return out
}

// packagesOf returns the packages that stand in for a package repository's.
func (c *Catalogue) packagesOf(image string) []string {
	ref, err := name.ParseReference(image)
	if err != nil {
		return nil
	}
	for _, p := range c.PackageRepositories {
		if ref.Context().Name() == p.Image {
			return p.Packages
		}
	}
	return nil
}

// sub is a folder of the catalogue.
func (c *Catalogue) sub(elem ...string) (fs.FS, error) { return fs.Sub(c.files, path.Join(elem...)) }
