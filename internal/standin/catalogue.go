// Package standin serves small charts and packages in place of those that a
// rehearsal can't or shouldn't fetch. A stand-in has the name, the version, the
// kinds and the CRDs of the real one. Which source was replaced is part of the
// report: nothing is redirected silently.
package standin

import (
	"github.com/google/go-containerregistry/pkg/name"

	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/gitops"
)

// ChartsOf returns the services whose chart comes from a Helm repository.
func ChartsOf(c *catalogue.Catalogue, url string) []*catalogue.Service {
	var out []*catalogue.Service
	for _, s := range c.Services {
		if s.Chart != nil && gitops.SameURL(s.Chart.URL, url) {
			out = append(out, s)
		}
	}
	return out
}

// packagesOf returns the services whose package comes from a package repository,
// whichever tag or digest of its image is given.
func packagesOf(c *catalogue.Catalogue, image string) []*catalogue.Service {
	ref, err := name.ParseReference(image)
	if err != nil {
		return nil
	}
	var out []*catalogue.Service
	for _, p := range c.PackageRepositories {
		for _, known := range append([]string{p.Image}, p.Mirrors...) {
			if ref.Context().Name() != known { // without the tag or digest
				continue
			}
			for _, s := range c.Services {
				if s.Package != nil && s.Package.Repository == p.Name {
					out = append(out, s)
				}
			}
		}
	}
	return out
}
