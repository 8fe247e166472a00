package promotion

import (
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/promote"
)

// denies is a policy of the cluster that no rehearsal knows.
const denies = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-threes}
spec:
  failurePolicy: Fail
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]}
  validations: [{expression: "!has(object.data) || object.data.all(k, object.data[k] != '3')", message: "threes are not allowed here"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-threes}
spec: {policyName: no-threes, validationActions: [Deny]}
`

// generate → verify → promote: production is bootstrapped, and every layer reconciles; a change is
// promoted, and reconciled at the new revision. Nothing that is secret is seen on the way.
func TestSampleIsPromoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true, "type: branch", `standIns: ["*"], assumptions: ["*"], blindSpots: [pods-simulated, unobserved]`)
	end := spy(t, w.up.Token, w.key("age.key"), w.key("sign.key"))
	w.verify()
	p := w.expect(promote.Promoted)
	end()
	if len(p.result.Report.Layers) != 10 || p.result.Plan == nil || !p.result.Plan.Bootstrap {
		t.Errorf("%d layers, plan %+v", len(p.result.Report.Layers), p.result.Plan)
	}
	first := w.refs()
	again := w.expect(promote.Promoted)
	if w.refs() != first || again.result.Delivered != p.result.Delivered {
		t.Errorf("the second time changed something:\n%s\n%s", first, w.refs())
	}
	w.git("pull", "-q", "--ff-only", "origin", "main")
	w.edit("platforms/clusters/services/flux-sources/cluster-essentials/cluster-essentials.yaml", "data:\n", "data:\n  note: second\n")
	head := w.commit("second")
	w.verify()
	p = w.expect(promote.Promoted)
	if p.result.Delivered != head || len(p.result.Plan.Commits) != 1 || len(p.result.Plan.Layers) != 1 || p.result.Plan.Layers[0].Layer != "cluster-essentials" {
		t.Errorf("delivered %s, want %s; plan %+v", p.result.Delivered, head, p.result.Plan)
	}
	if got := w.setting("flux-system", "cluster-essentials", "note"); got != "second" {
		t.Errorf("the cluster has %q", got)
	}
	w.clean(append(w.secretValues("harbor", "minio"), w.up.Token, w.key("age.key"), w.key("sign.key"))...)
}

// What fails on production only is named as such, and rolls back to green; history is not rewritten.
func TestFailureOnProductionRollsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false, "type: branch", `blindSpots: [pods-simulated, unobserved]`)
	w.verify()
	w.expect(promote.Promoted)
	w.git("pull", "-q", "--ff-only", "origin", "main")
	w.apply(denies)
	w.edit("two/config.yaml", `"1"`, `"3"`)
	bad := w.commit("three")
	w.verify()
	p := w.expect(promote.RolledBack, "--on-failure", "rollback")
	if len(p.result.Report.Findings) == 0 || !strings.Contains(p.result.Report.Findings[0].Message, "The rehearsal passed it: the cluster has an admission webhook or policy") {
		t.Errorf("findings %+v", p.result.Report.Findings)
	}
	log := w.git("ls-remote", "origin", "main")
	if !strings.HasPrefix(log, p.result.Back) {
		t.Errorf("the branch is at %s, not at %s", log, p.result.Back)
	}
	w.git("fetch", "-q", "origin")
	if w.git("merge-base", bad, p.result.Back) != bad {
		t.Error("history was rewritten")
	}
	if got := w.setting("web", "settings", "a"); got != "1" {
		t.Errorf("the cluster has %q", got)
	}
	// Promoting the same again is refused, and --resume only watches the way back.
	w.refused("was promoted, failed, and was taken back")
	if p := w.expect(promote.RolledBack, "--resume"); p.result.Again == nil {
		t.Error("the way back was not watched")
	}
	// Without the rollback, it stops and says how to go back.
	w.git("pull", "-q", "--ff-only", "origin", "main")
	w.edit("two/config.yaml", `"1"`, `"3"`)
	w.commit("three again")
	w.verify()
	p = w.expect(promote.Failed)
	if len(p.result.Next) != 1 || !strings.Contains(p.result.Next[0], "--on-failure rollback") {
		t.Errorf("next %v", p.result.Next)
	}
	w.clean(w.up.Token, w.key("sign.key"))
}
