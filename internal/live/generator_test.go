package live_test

import (
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/live/livetest"
)

func TestMakes(t *testing.T) {
	g := livetest.Object(t, `apiVersion: source.extensions.fluxcd.io/v1beta1
kind: ArtifactGenerator
metadata: {name: slices, namespace: flux-system}
spec: {artifacts: [{name: base}, {name: "{team}.{app}-slice"}, {name: "[{"}]}`)
	for name, want := range map[string]bool{
		"flux-system/base": true, "flux-system/bas": false, "flux-system/base2": false, "apps/base": false,
		"flux-system/web.shop-slice": true, "flux-system/webxshop-slice": false, "flux-system/web.-slice": false,
	} {
		namespace, artifact, _ := strings.Cut(name, "/")
		if got := live.Makes(g, live.Ref{GroupKind: gitops.ExternalArtifactKind, Namespace: namespace, Name: artifact}); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestExternalArtifact(t *testing.T) {
	for spec, want := range map[string]string{
		"{sourceRef: {kind: ExternalArtifact, name: a}}":               "ExternalArtifact/flux-system/a",
		"{sourceRef: {kind: ExternalArtifact, name: a, namespace: b}}": "ExternalArtifact/b/a",
		"{sourceRef: {kind: GitRepository, name: a}}":                  "",
		"{}": "",
	} {
		ref, ok := live.ExternalArtifact(livetest.Object(t, "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: x, namespace: flux-system}\nspec: "+spec))
		if ok != (want != "") || ok && ref.Identity() != want {
			t.Errorf("%s: got %v, %v", spec, ref, ok)
		}
	}
}
