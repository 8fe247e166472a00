package cause

import (
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
)

// noArtifact: the layer's source has no artifact.
func noArtifact(f Failure) ([]finding.Finding, bool) {
	refused := f.reason() == "AccessDenied" && strings.Contains(f.Message, "ExternalArtifact feature gate is disabled")
	if !f.isLayer() || f.reason() != "ArtifactFailed" && !refused {
		return nil, false
	}
	out := f.finding(finding.SourceFailed)
	out.Message = "the layer's source has no artifact"
	artifact, external := live.ExternalArtifact(f.Live)
	switch {
	case refused:
		out.Message, out.Fix = "Flux is installed without source-watcher, and refuses layers that are built from "+artifact.Identity(), fixWithoutSourceWatcher
	case external && !f.hasArtifact(artifact):
		out.Message, out.Fix = f.missing(artifact)
	}
	return one(out)
}

// fixWithoutSourceWatcher is what to do where Flux does not know ArtifactGenerators.
const fixWithoutSourceWatcher = "have Flux installed with it: flux bootstrap --components-extra=source-watcher, or source-watcher among spec.components of the FluxInstance"

// hasArtifact says whether a source is there, and has an artifact.
func (f Failure) hasArtifact(source live.Ref) bool {
	u, _ := f.View.Get(source)
	return u != nil && live.Revision(u) != ""
}

// missing returns the texts for an ExternalArtifact that is not there.
func (f Failure) missing(artifact live.Ref) (message, fix string) {
	for _, u := range f.View.List(gitops.ArtifactGeneratorKind) {
		if !live.Makes(u, artifact) {
			continue
		}
		switch state, _ := live.Observe(u); state {
		case live.Unobserved:
			return artifact.Identity() + " is not made: " + live.RefOf(u).Identity() + " is suspended", "take its annotation source.extensions.fluxcd.io/reconcile away"
		case live.Current: // its name only looks like one that the generator makes
		default:
			return artifact.Identity() + " is not made: " + live.RefOf(u).Identity() + " fails", "mend that first"
		}
	}
	return "nothing makes " + artifact.Identity(), "give an ArtifactGenerator of namespace " + artifact.Namespace + " an artifact of that name, or correct spec.sourceRef"
}
