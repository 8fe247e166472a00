// Package pipelines is how Seatrial runs in containers: which images, mounts,
// caches, sockets and secrets each verb gets. What a verb does is the seatrial
// command's business, which runs in them unchanged.
package pipelines

import (
	"reflect"
	"strings"
)

// Images are what containers are made from, by the names upstream publishes. An
// empty name of a field after Docker is the command's own default.
type Images struct {
	// Prefix is a registry that proxies all others.
	Prefix string
	// Go has Go and git: the command is built and runs there.
	Go string
	// Docker has the docker command.
	Docker string
	// Gitea is the Git server.
	Gitea string
	// Flux, KappController and Pod are handed to the command.
	Flux           string
	KappController string
	Pod            string
}

// defaults are pinned.
var defaults = Images{
	// renovate: datasource=docker depName=golang
	Go: "docker.io/library/golang:1.26.8-bookworm",
	// renovate: datasource=docker depName=docker
	Docker: "docker.io/library/docker:29.9.0-cli",
	// renovate: datasource=docker depName=gitea/gitea
	Gitea: "docker.io/gitea/gitea:1.26.4",
}

// WithDefaults fills in what is not said.
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

// flags hand the images that the command uses on to it.
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

// appendFlag adds a flag unless it is empty.
func appendFlag(args []string, name, value string) []string {
	if value == "" {
		return args
	}
	return append(args, name+"="+value)
}
