package verdict

import (
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/live/livetest"
)

// built returns a live Kustomization like ks, which is built from the ExternalArtifact of its name.
func built(name, status, reason, revision string) string {
	text := strings.Replace(ks(name, status, reason, "", ""), "rehearsal@sha1:"+commit, revision, 1)
	return text + "spec: {sourceRef: {kind: ExternalArtifact, name: " + name + "}}\n"
}

// ofArtifact returns a live ExternalArtifact.
func ofArtifact(name, revision string) string {
	return "apiVersion: source.toolkit.fluxcd.io/v1\nkind: ExternalArtifact\nmetadata: {name: " + name + ", namespace: flux-system, generation: 1}\nspec: {sourceRef: {kind: ArtifactGenerator}}\nstatus: {artifact: {revision: " + revision + "}, conditions: [{type: Ready, status: 'True', observedGeneration: 1}]}"
}

// generator returns a live ArtifactGenerator of the artifact a.
func generator(status string) string {
	return "apiVersion: source.extensions.fluxcd.io/v1beta1\nkind: ArtifactGenerator\nmetadata: {name: g, namespace: flux-system, generation: 1}\nspec: {artifacts: [{name: a}]}\nstatus: {conditions: [{type: Ready, status: " + status + ", observedGeneration: 1}]}"
}

// generated is a repo of one layer, a, that is built from an ExternalArtifact.
func generated(t *testing.T) *gitops.Repo {
	t.Helper()
	r := repo(t, "a")
	r.Layer(gitops.Ref{Namespace: "flux-system", Name: "a"}).Foreign = true
	return r
}

// A layer of an ExternalArtifact passes at what that holds now, whatever it has from which commit.
func TestLayerIsAtItsArtifact(t *testing.T) {
	for name, c := range map[string]struct {
		artifact, want string
	}{
		"the same":  {ofArtifact("a", "latest@sha256:1"), "flux-system=reconciled a=reconciled"},
		"a newer":   {ofArtifact("a", "latest@sha256:2"), "flux-system=reconciled a=pending"},
		"none":      {"apiVersion: source.toolkit.fluxcd.io/v1\nkind: ExternalArtifact\nmetadata: {name: a, namespace: flux-system}", "flux-system=reconciled a=pending"},
		"another's": {ofArtifact("b", "latest@sha256:1"), "flux-system=reconciled a=pending"},
	} {
		_, a := after(t, generated(t), livetest.Cluster(t, root, built("a", "True", "ReconciliationSucceeded", "latest@sha256:1"), c.artifact), 0)
		if got := statuses(a); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

// While a generator is at work, a layer that finds no artifact is waited for. When the generator fails, that is
// the fault; if nothing is to make the artifact, the layer has failed.
func TestLayerWaitsForItsGenerator(t *testing.T) {
	declared := ks("flux-system", "True", "ReconciliationSucceeded", "", "{id: flux-system_g_source.extensions.fluxcd.io_ArtifactGenerator, v: v1beta1}")
	waits := built("a", "False", "ArtifactFailed", "''")
	if _, a := after(t, generated(t), livetest.Cluster(t, declared, waits, generator("Unknown")), 0, 20); a.Final || len(a.Retries) > 0 {
		t.Errorf("the generator is at work: final %v, retries %v", a.Final, a.Retries)
	}
	for name, c := range map[string]struct {
		generator, want string
	}{
		"it fails":            {generator("'False'"), "flux-system=failed a=blocked"},
		"it makes another":    {strings.Replace(generator("'False'"), "name: a}", "name: b}", 1), "flux-system=failed a=failed"},
		"it is no one's":      {"", "flux-system=failed a=failed"},
		"it is another's too": {strings.Replace(generator("'False'"), "name: a}", "name: '{app}'}", 1), "flux-system=failed a=blocked"},
	} {
		objects := []string{declared, waits}
		if c.generator != "" {
			objects = append(objects, c.generator)
		}
		// After 26 seconds nobody has answered, so nobody is waited for any more.
		j, a := after(t, generated(t), livetest.Cluster(t, objects...), 0, 3, 30)
		if got := statuses(a); !a.Final || got != c.want {
			t.Errorf("%s: final %v, got %s, want %s", name, a.Final, got, c.want)
		}
		if _, asked := j.asked[live.Ref{GroupKind: gitops.ArtifactGeneratorKind, Namespace: "flux-system", Name: "g"}]; asked != (c.generator != "") {
			t.Errorf("%s: asked once more: %v", name, asked)
		}
	}
}
