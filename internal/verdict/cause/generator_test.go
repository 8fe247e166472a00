package cause

import (
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/finding"
)

func TestGenerators(t *testing.T) {
	const generator = "apiVersion: source.extensions.fluxcd.io/v1beta1\nkind: ArtifactGenerator\nmetadata: {name: slices, namespace: flux-system, generation: 1}\nspec: {artifacts: [{name: web}]}\nstatus: {conditions: [{type: Ready, status: 'False', observedGeneration: 1}]}"
	const made = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: ExternalArtifact\nmetadata: {name: web, namespace: flux-system}\nstatus: {artifact: {revision: 'latest@sha256:0'}}"
	// of is the layer, built from the ExternalArtifact web.
	of := func(reason string) string {
		return "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\nspec: {sourceRef: {kind: ExternalArtifact, name: web}}\nstatus: {conditions: [{type: Ready, status: 'False', reason: " + reason + "}]}"
	}
	missing := `ExternalArtifact.source.toolkit.fluxcd.io "web" not found`
	check(t, []told{
		{name: "a path that is not there", of: generator,
			message: "web build failed: failed to apply copy operations: failed to apply copy operation from '@repo/wbe' to '@artifact/': source 'wbe' does not exist",
			want:    finding.NotGenerated, object: "ArtifactGenerator/flux-system/slices", says: "it can't make the artifact web: copy from @repo/wbe: source 'wbe' does not exist", fix: "correct the path"},
		{name: "a pattern that matches nothing", of: generator,
			message: "web build failed: failed to apply copy operations: failed to apply copy operation from '@repo/wbe/**' to '@artifact/': no files match pattern 'wbe/**' in source 'repo'",
			want:    finding.NotGenerated, says: "copy from @repo/wbe/**: no files match pattern 'wbe/**' in source 'repo'"},
		{name: "a spec that is refused", of: generator, message: "duplicate artifact name 'web' found", want: finding.NotGenerated, says: "it makes no artifacts: duplicate artifact name 'web' found", fix: "mend its spec"},
		{name: "a source that is not there", of: generator, message: `get sources failed: GitRepository.source.toolkit.fluxcd.io "other" not found`,
			want: finding.SourceFailed, says: `it waits for its sources: GitRepository.source.toolkit.fluxcd.io "other" not found`, fix: "spec.sources"},
		{name: "a source that can't be fetched", of: generator, message: "fetch sources failed: failed to extract archive: no space left on device",
			want: finding.SourceFailed, says: "it waits for its sources: failed to extract archive"},
		{name: "a layer of a slice that nothing makes", of: of("ArtifactFailed"), message: missing, beside: []string{strings.Replace(generator, "name: web", "name: base", 1)},
			want: finding.SourceFailed, at: "c/apps.yaml:2", says: "nothing makes ExternalArtifact/flux-system/web", fix: "of namespace flux-system"},
		{name: "a layer of a slice whose generator fails", of: of("ArtifactFailed"), message: missing, beside: []string{generator},
			want: finding.SourceFailed, says: "ExternalArtifact/flux-system/web is not made: ArtifactGenerator/flux-system/slices fails", fix: "mend that first"},
		{name: "a layer of a slice whose generator is suspended", of: of("ArtifactFailed"), message: missing,
			beside: []string{strings.Replace(generator, "{name: slices", "{annotations: {source.extensions.fluxcd.io/reconcile: disabled}, name: slices", 1)},
			want:   finding.SourceFailed, says: "ArtifactGenerator/flux-system/slices is suspended", fix: "annotation"},
		{name: "a layer whose slice is there", of: of("ArtifactFailed"), message: "artifact not found", beside: []string{made, generator}, want: finding.SourceFailed, says: "the layer's source has no artifact"},
		{name: "a layer of a slice where Flux has no source-watcher", of: of("AccessDenied"), message: "can't access 'ExternalArtifact/flux-system/web', ExternalArtifact feature gate is disabled",
			want: finding.SourceFailed, says: "Flux is installed without source-watcher", fix: "--components-extra=source-watcher"},
		{name: "a generator where Flux has no source-watcher", reason: "ReconciliationFailed", message: `ArtifactGenerator/flux-system/slices dry-run failed: no matches for kind "ArtifactGenerator" in version "source.extensions.fluxcd.io/v1beta1"`,
			want: finding.UnknownKind, says: "nothing in the cluster serves", fix: "--components-extra=source-watcher"},
	})
}
