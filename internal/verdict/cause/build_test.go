package cause

import (
	"testing"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/live/livetest"
)

func TestBuild(t *testing.T) {
	check(t, []told{
		{name: "kustomize fails", reason: "BuildFailed", message: "kustomize build failed: accumulating resources: missing.yaml: no such file",
			want: finding.BuildFailed, at: "c/apps.yaml:2", says: "kustomize build of apps fails", fix: "run kustomize build apps"},
		{name: "its path is not there", reason: "ArtifactFailed", message: "kustomization path not found: stat /tmp/kustomization-1/apps: no such file or directory",
			want: finding.PathNotFound, says: `"apps" is not in the repo`, fix: "spec.path"},
		{name: "its source has nothing", reason: "ArtifactFailed", message: "Source artifact not found, retrying in 30s", want: finding.SourceFailed, says: "no artifact"},
	})
}

// A build error points at the file that the model could not build, not at the layer's
// declaration.
func TestBuildNamesTheFile(t *testing.T) {
	u := livetest.Object(t, "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\nstatus: {conditions: [{type: Ready, status: 'False', reason: BuildFailed}]}")
	l := layer(t, "apps")
	l.Build = &gitops.BuildError{File: "apps/broken.yaml", Parse: &gitops.ParseError{File: "apps/broken.yaml", Line: 7}}
	got := Explain(Failure{Layer: l, Ref: live.RefOf(u), Live: u, Message: "x", View: livetest.View{}})
	if len(got) != 1 || got[0].Where() != "apps/broken.yaml:7" {
		t.Errorf("got %+v", got)
	}
}
