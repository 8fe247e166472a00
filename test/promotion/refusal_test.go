package promotion

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/promote"
)

const accepted = `blindSpots: [pods-simulated, unobserved]`

// Each refusal of the gate happens for what is done here, and leaves the remote as it was.
func TestGateRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false, "type: branch", accepted)
	w.refused("no evidence for this very tree")
	file := filepath.Join(w.dir, "evidence")
	w.must("verify", "--path", w.path, "--attest", file) // without a key
	w.refused("it has no signature", "--evidence", file)
	w.must("attest", "keygen", filepath.Join(w.dir, "other.key"))
	w.must("verify", "--path", w.path, "--attest", file, "--signing-key", filepath.Join(w.dir, "other.key"))
	w.refused("no signature of it is by a key of the policy", "--evidence", file)
	w.verify()

	notes := w.git("notes", "--ref=seatrial", "show", "HEAD")
	for name, change := range map[string]func(string) string{
		"truncated": func(s string) string { return s[:len(s)/3] },
		"forged": func(s string) string { // another tree, in the words of the one that was signed
			from := base64.StdEncoding.EncodeToString([]byte(`"gitTree":"`))[:12]
			return strings.Replace(s, `"payload":"`, `"payload":"`+from, 1)
		},
		"stripped": func(s string) string { return strings.ReplaceAll(s, `"signatures":[`, `"signed":[`) },
	} {
		w.git("notes", "--ref=seatrial", "add", "-f", "-m", change(notes), "HEAD")
		t.Log(name)
		w.refused("evidence was not read")
	}
	w.git("notes", "--ref=seatrial", "add", "-f", "-m", notes, "HEAD")

	w.write("two/config.yaml", "# a byte\n")
	w.refused("the clone differs from its last commit in 1 file")
	w.git("checkout", "-q", "--", ".")
	w.write("new.yaml", "")
	w.refused("?? new.yaml")
	w.commit("another tree")
	w.git("notes", "--ref=seatrial", "add", "-f", "-m", notes, "HEAD")
	w.refused("there is no evidence for this very tree") // the envelope of another commit, replayed
	w.git("reset", "-q", "--hard", "HEAD^")

	policy := filepath.Join(w.dir, "policy.yaml")
	changed := func(from, to string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(w.repo, ".seatrial.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), from) {
			t.Fatalf("no %s in the policy", from)
		}
		if err := os.WriteFile(policy, []byte(strings.Replace(string(b), from, to, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		return policy
	}
	w.refused("the policy asks for kind", "--policy", changed("  evidence:\n", "  evidence:\n    tier: kind\n"))
	w.refused("old, and the policy allows 1ms", "--policy", changed("  evidence:\n", "  evidence:\n    maxAge: 1ms\n"))
	w.refused("blind spot pods-simulated", "--policy", changed("pods-simulated, ", ""))
	w.refused("the policy names 0000", "--policy", changed(w.up.UID, "00000000-0000-0000-0000-000000000000"))

	w.expect(promote.Promoted)
	// Somebody else pushes: the remote moved, whatever they changed.
	w.git("pull", "-q", "--ff-only", "origin", "main")
	base := w.git("rev-parse", "HEAD")
	w.write("theirs", "")
	w.commit("theirs")
	w.git("push", "-q", "origin", "main")
	w.git("reset", "-q", "--hard", base)
	w.write("ours", "")
	w.commit("ours")
	w.verify()
	w.refused("has moved since the rehearsal")
	w.git("reset", "-q", "--hard", base)
	w.git("pull", "-q", "--ff-only", "origin", "main")

	// A change of the policy does not open its own gate.
	w.edit(".seatrial.yaml", "    accept:", "    unsigned: true\n    accept:")
	w.commit("let anybody in")
	w.must("verify", "--path", w.path, "--attest", file)
	w.refused("it has no signature", "--evidence", file)
	// Nor by another name or another branch.
	w.edit(".seatrial.yaml", "    production:", "    alias:")
	w.commit("another name")
	w.must("verify", "--path", w.path, "--attest", file)
	w.refused("it has no signature", "--evidence", file, "--to", "alias")
	w.edit(".seatrial.yaml", "{type: branch}", "{type: branch, branch: evil}")
	w.commit("another branch")
	w.git("push", "-q", "origin", "HEAD:evil")
	w.must("verify", "--path", w.path, "--attest", file)
	w.refused("Flux on the cluster tracks branch \"main\"", "--evidence", file, "--to", "alias")
	w.git("reset", "-q", "--hard", base)
	w.git("pull", "-q", "--ff-only", "origin", "main")

	// What holds data is only pruned when that is allowed.
	w.write("one/ns.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: default}\n")
	w.edit("two/config.yaml", "namespace: web", "namespace: default")
	w.commit("without the namespace")
	w.verify()
	w.refused("Namespace/web would be pruned from layer one")
	p := w.expect(promote.Planned, "--dry-run", "--allow-prune")
	if len(p.result.Plan.Layers) != 2 || len(p.result.Plan.Layers[0].Pruned) != 1 {
		t.Errorf("plan %+v", p.result.Plan)
	}
	w.clean(w.up.Token, w.key("sign.key"))
}

// The preflight names how the cluster differs from what was rehearsed, before anything is written.
func TestPreflightRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true, "type: branch", `standIns: ["*"], assumptions: ["*"], blindSpots: ["*"]`, "-packaging-global-namespace", "elsewhere")
	// Production's age key is not needed to rehearse; whether that is enough, the policy says.
	unkeyed := filepath.Join(w.dir, "unkeyed")
	w.must("verify", "--path", w.path, "--attest", unkeyed, "--signing-key", filepath.Join(w.dir, "sign.key"))
	w.refused("were placeholders", "--evidence", unkeyed)
	b, err := os.ReadFile(filepath.Join(w.repo, ".seatrial.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	enough := filepath.Join(w.dir, "enough.yaml")
	if err := os.WriteFile(enough, []byte(strings.Replace(string(b), "accept: {", `accept: {rekeyed: ["*"], `, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	w.refused("the packaging global namespace is elsewhere", "--evidence", unkeyed, "--policy", enough) // the gate is open
	w.verify()
	for from, want := range map[string]string{`standIns: ["*"]`: "a stand-in took the place of", `assumptions: ["*"]`: "it was taken for granted that"} {
		policy, err := os.ReadFile(filepath.Join(w.repo, ".seatrial.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(w.dir, "policy.yaml")
		if err := os.WriteFile(file, []byte(strings.Replace(string(policy), from, strings.Replace(from, "*", "none", 1), 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		w.refused(want, "--policy", file)
	}
	w.refused("the packaging global namespace is elsewhere, and tkg-system was rehearsed")
	c := w.client()
	if err := c.Typed.StorageV1().StorageClasses().Delete(t.Context(), "default", deleteOptions); err != nil {
		t.Fatal(err)
	}
	w.refused("no StorageClass is the default")
	w.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: harbor, annotations: {meta.helm.sh/release-name: harbor, meta.helm.sh/release-namespace: default}}\n")
	w.refused("belongs to Helm release default/harbor")
	// An account without rights is told so, and nothing is tried with it.
	w.apply("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: reader, namespace: default}\n---\n" +
		"apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: reader}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\nsubjects: [{kind: ServiceAccount, name: reader, namespace: default}]\n---\n" +
		"apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: namespaces}\nrules: [{apiGroups: [\"\"], resources: [namespaces], verbs: [get]}]\n---\n" +
		"apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: reader-namespaces}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: namespaces}\nsubjects: [{kind: ServiceAccount, name: reader, namespace: default}]\n")
	if err := os.Rename(filepath.Join(w.dir, "age.key"), filepath.Join(w.dir, "age.key.away")); err != nil {
		t.Fatal(err)
	}
	w.refused("the layers decrypt with it, and it is not there")
	w.must("secrets", "keygen", filepath.Join(w.dir, "age.key"))
	w.refused("it is not encrypted for the age key that is given")
	w.refused("the account may not do everything", "--kubeconfig", w.kubeconfigOf("default", "reader"))
	w.clean(w.up.Token, w.key("age.key"), w.key("sign.key"))
}
