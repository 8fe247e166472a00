package promotion

import (
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/promote"
)

// The approved-revision gate: production tracks a branch that only promotions move.
func TestApprovedRef(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false, "type: approved-ref", accepted)
	w.git("push", "-q", "origin", "HEAD:main")
	w.verify()
	w.expect(promote.Promoted)
	w.git("pull", "-q", "--ff-only", "origin", "production-approved")
	w.edit("two/config.yaml", `"1"`, `"2"`)
	head := w.commit("two")
	w.git("push", "-q", "origin", "HEAD:main") // merged, and not approved
	w.refused("no evidence for this very tree")
	if got := w.setting("web", "settings", "a"); got != "1" {
		t.Errorf("the cluster has %q before it is approved", got)
	}
	w.verify()
	p := w.expect(promote.Promoted)
	if got := w.setting("web", "settings", "a"); got != "2" || p.result.Delivered != head {
		t.Errorf("the cluster has %q", got)
	}
	if got := w.git("ls-remote", "origin", "refs/heads/production-approved"); !strings.HasPrefix(got, head) {
		t.Errorf("the approved ref is %s", got)
	}
}

// Production's OCIRepository verifies: it takes what passed, and nothing that somebody else pushes.
func TestOCI(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false, "type: oci, url: \"oci://REGISTRY/fleet/services\"", accepted)
	key := []string{"--signing-key", w.dir + "/sign.key"}
	w.verify()
	p := w.expect(promote.Promoted, key...)
	if !strings.Contains(p.result.Artifact, "/fleet/services@sha256:") {
		t.Errorf("artifact %s", p.result.Artifact)
	}
	again := w.expect(promote.Promoted, key...)
	if again.result.Artifact != p.result.Artifact {
		t.Errorf("the same commit gave another artifact: %s, %s", p.result.Artifact, again.result.Artifact)
	}
	source, err := w.client().Resource(kube.Object("source.toolkit.fluxcd.io/v1", "OCIRepository", "flux-system", "flux-system", nil))
	if err != nil {
		t.Fatal(err)
	}
	o, err := source.Get(t.Context(), "flux-system", getOptions)
	if err != nil {
		t.Fatal(err)
	}
	conditions, _ := o.Object["status"].(map[string]any)["conditions"].([]any)
	if text := strings.ToLower(sprint(conditions)); !strings.Contains(text, "sourceverified") {
		t.Errorf("the artifact was not verified: %s", text)
	}
	w.edit("two/config.yaml", `"1"`, `"2"`)
	w.commit("two")
	w.verify()
	// Signed by another key, it is delivered, and the cluster does not take it.
	w.must("attest", "keygen", "--ecdsa", w.dir+"/other.key")
	bad := w.expect(promote.Failed, "--signing-key", w.dir+"/other.key", "--timeout", "90s")
	if got := w.setting("web", "settings", "a"); got != "1" {
		t.Errorf("the cluster took what another key signed: %q", got)
	}
	if len(bad.result.Report.Findings) == 0 {
		t.Error("nothing is said of it")
	}
	w.expect(promote.Promoted, key...)
	if got := w.setting("web", "settings", "a"); got != "2" {
		t.Errorf("the cluster has %q", got)
	}
	w.clean(w.key("sign.key"), w.key("other.key"))
}
