package cluster

import "slices"

// NeedsSourceWatcher says whether Flux is to have its source-watcher, which flux install leaves out by
// default. planned are the objects that a repo declares.
//
// It is needed if the repo declares an ArtifactGenerator, which nothing else acts on, or the Deployment
// itself, as flux bootstrap --components-extra=source-watcher writes it. If the repo declares
// Flux's Deployments and this is not among them, its cluster would not have it: a
// generator of such a repo is to be refused here, too.
func NeedsSourceWatcher(planned []Object) bool {
	deploys := func(name string) bool {
		return slices.ContainsFunc(planned, func(o Object) bool {
			return o.Group == "apps" && o.Kind == "Deployment" && o.Namespace == "flux-system" && o.Name == name
		})
	}
	generates := slices.ContainsFunc(planned, func(o Object) bool {
		return o.Group == "source.extensions.fluxcd.io" && o.Kind == "ArtifactGenerator"
	})
	return deploys("source-watcher") || generates && !deploys("source-controller")
}
