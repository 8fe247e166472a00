// Package pipelines runs the seatrial command in containers: it decides which images,
// mounts, caches, sockets and secrets each verb gets. What a verb does is up to the
// command, which runs unchanged.
package pipelines

import (
	"reflect"
	"strings"
)

// Images are the images of containers, by the names that upstream publishes them under.
// Where Flux, KappController or Pod is empty, the command uses its own default.
type Images struct {
	// Prefix is a registry that proxies all others.
	Prefix string
	// Go is an image with Go and git, in which the command is built and run.
	Go string
	// Docker is an image with the docker command.
	Docker string
	// Gitea is the Git server.
	Gitea string
	// Flux, KappController and Pod are handed to the command.
	Flux           string
	KappController string
	Pod            string
}

// defaults are the pinned images of fields that are empty.
var defaults = Images{
	// renovate: datasource=docker depName=golang
	Go: "docker.io/library/golang:1.26.8-bookworm",
	// renovate: datasource=docker depName=docker
	Docker: "docker.io/library/docker:29.9.0-cli",
	// renovate: datasource=docker depName=gitea/gitea
	Gitea: "docker.io/gitea/gitea:1.26.4",
}

// fluxImage is where a promotion takes the flux command from: of the version that is rehearsed with.
//
// renovate: datasource=docker depName=ghcr.io/fluxcd/flux-cli
const fluxImage = "ghcr.io/fluxcd/flux-cli:v2.9.5"

// WithDefaults returns the images with empty fields replaced by their defaults.
func (i Images) WithDefaults() Images {
	to, from := reflect.ValueOf(&i).Elem(), reflect.ValueOf(defaults)
	for n := range to.NumField() {
		if to.Field(n).String() == "" {
			to.Field(n).Set(from.Field(n))
		}
	}
	return i
}

// at is where an image is pulled from.
func (i Images) at(image string) string {
	if i.Prefix == "" {
		return image
	}
	return strings.TrimSuffix(i.Prefix, "/") + "/" + image
}

// flags returns the command's flags for the images that it uses itself.
func (i Images) flags() []string {
	var out []string
	for _, f := range [][2]string{
		{"--registry-prefix", i.Prefix}, {"--gitea-image", i.Gitea}, {"--flux-image", i.Flux},
		{"--kapp-controller-image", i.KappController}, {"--pod-image", i.Pod},
	} {
		out = appendFlag(out, f[0], f[1])
	}
	return out
}

// appendFlag appends --name=value, unless the value is empty.
func appendFlag(args []string, name, value string) []string {
	if value == "" {
		return args
	}
	return append(args, name+"="+value)
}
