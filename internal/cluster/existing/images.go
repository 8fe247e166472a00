package existing

import "strings"

// Images are what the pods of a rehearsal run.
type Images struct {
	// Gitea holds the rehearsed tree and the stand-ins.
	Gitea string
	// Flux is the flux command; the controllers are those of its version.
	Flux string
	// KappController is run with the built-in manifest where the cluster has no kapp-controller.
	// If it is empty, upstream's release is installed there, with its own image.
	KappController string
	// Pod is the image that the pods of stand-ins run.
	Pod string
	// Prefix is a registry that proxies others: docker.io/gitea/gitea is asked
	// for as <prefix>/docker.io/gitea/gitea. Empty: upstream's own registries.
	Prefix string
}

// Default are the pinned images, by the names upstream publishes.
func Default() Images {
	return Images{
		// renovate: datasource=docker depName=gitea/gitea
		Gitea: "docker.io/gitea/gitea:1.26.4",
		// renovate: datasource=docker depName=ghcr.io/fluxcd/flux-cli
		Flux: "ghcr.io/fluxcd/flux-cli:v2.9.5",
		// renovate: datasource=docker depName=busybox
		Pod: "docker.io/library/busybox:1.37.0",
	}
}

// controllers are the images of the controllers of Flux's default version. They are
// listed here only so that kind nodes can be given them before they pull them.
var controllers = []string{
	"ghcr.io/fluxcd/source-controller:v1.9.5", "ghcr.io/fluxcd/kustomize-controller:v1.9.5",
	"ghcr.io/fluxcd/helm-controller:v1.6.4", "ghcr.io/fluxcd/notification-controller:v1.9.4",
	"ghcr.io/fluxcd/source-watcher:v2.2.4",
}

// All lists the images, as they are pulled.
func (i Images) All() []string {
	var out []string
	for _, image := range append([]string{i.Gitea, i.Flux, i.KappController, i.Pod}, controllers...) {
		if image == "" {
			continue
		}
		out = append(out, i.At(image))
	}
	return out
}

// At returns where an image is pulled from.
func (i Images) At(image string) string {
	if i.Prefix == "" {
		return image
	}
	return strings.TrimSuffix(i.Prefix, "/") + "/" + image
}

// FluxRegistry is where Flux's controllers are pulled from.
func (i Images) FluxRegistry() string { return i.At("ghcr.io/fluxcd") }

// FluxVersion is the version of the flux command, as vX.Y.Z.
func (i Images) FluxVersion() string { return tagOf(i.Flux) }

// KappControllerVersion is the version of kapp-controller that is installed where there is none.
func (i Images) KappControllerVersion() string {
	if i.KappController == "" {
		return kappRelease.version
	}
	return tagOf(i.KappController)
}

// GiteaVersion is the version of Gitea.
func (i Images) GiteaVersion() string { return tagOf(i.Gitea) }

func tagOf(image string) string {
	image, _, _ = strings.Cut(image, "@")
	return image[strings.LastIndexByte(image, ':')+1:]
}
