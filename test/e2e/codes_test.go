package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/finding"
)

// The codes that are covered by no other test with a cluster: the controllers' real messages
// must be recognised.
func TestLiveCodes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "repo")
	if err := os.CopyFS(dir, os.DirFS(fixture("live-faults"))); err != nil {
		t.Fatal(err)
	}
	r := verify(t, dir, "--age-key", addUndecryptable(t, dir))
	if r.code != 1 {
		t.Errorf("exit %d", r.code)
	}
	for _, want := range []finding.Finding{
		{Code: finding.BuildFailed, Layer: "unbuildable", Object: "Kustomization/flux-system/unbuildable", File: "layers/unbuildable/kustomization.yaml", Evidence: "missing.yaml"},
		{Code: finding.DecryptFailed, Layer: "undecryptable", Object: "Secret/web/web-token", File: "layers/undecryptable/web-token.yaml", Evidence: "failed to decrypt"},
		{Code: finding.ApplyFailed, Layer: "refused", Object: "Deployment/web/web", File: "layers/refused/web.yaml", Evidence: "`selector` does not match template `labels`"},
		{Code: finding.SourceFailed, Layer: "unfetched", Object: "HelmRelease/web/harbour", File: "layers/unfetched/harbour.yaml", Evidence: "no chart name found"},
		{Code: finding.HelmFailed, Layer: "uninstallable", Object: "HelmRelease/web/harbor", File: "layers/uninstallable/harbor.yaml", Evidence: `namespaces "nowhere" not found`},
		{Code: finding.HealthCheckFailed, Layer: "unhealthy", Object: "Kustomization/flux-system/unhealthy", File: "clusters/services/layers.yaml", Evidence: "Namespace/web status: 'Failed'"},
		{Code: finding.NotCurrent, Layer: "unscheduled", Object: "Deployment/web/unscheduled", File: "layers/unscheduled/web.yaml", Evidence: "Available: 0/1"},
	} {
		if !slices.ContainsFunc(r.report.Findings, func(f finding.Finding) bool {
			return f.Code == want.Code && f.Severity == finding.Error && f.Layer == want.Layer && f.Object == want.Object && f.File == want.File && strings.Contains(f.Evidence, want.Evidence)
		}) {
			t.Errorf("no %s in layer %s with %q", want.Code, want.Layer, want.Evidence)
		}
	}
	if !slices.ContainsFunc(r.report.Findings, func(f finding.Finding) bool {
		return f.Code == finding.NotReconciled && f.Severity == finding.Warning && f.Layer == "suspended"
	}) {
		t.Error("nothing is said of the suspended layer")
	}
	if n := finding.Errors(r.report.Findings); n != 7 {
		t.Errorf("%d errors, want 7: one for each fault", n)
	}
}

// addUndecryptable adds a layer with a SOPS file in which somebody has swapped two values,
// and returns the key that it was encrypted for.
func addUndecryptable(t *testing.T, dir string) (key string) {
	t.Helper()
	key = filepath.Join(t.TempDir(), "age.agekey")
	recipient := strings.TrimSpace(command(t, nil, "secrets", "keygen", key).stdout)
	const secret = "layers/undecryptable/web-token.yaml"
	writeFiles(t, dir, map[string]string{
		".sops.yaml": "creation_rules:\n- encrypted_regex: ^(data|stringData)$\n  age: " + recipient + "\n",
		secret:       "apiVersion: v1\nkind: Secret\nmetadata:\n  name: web-token\n  namespace: web\nstringData:\n  first: value-of-the-first\n  second: value-of-the-second\n",
		"clusters/services/undecryptable.yaml": `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: undecryptable
  namespace: flux-system
spec:
  dependsOn:
  - name: namespaces
  interval: 10m
  prune: true
  path: ./layers/undecryptable
  sourceRef:
    kind: GitRepository
    name: flux-system
  decryption:
    provider: sops
    secretRef:
      name: sops-age
`,
	})
	if r := command(t, nil, "secrets", "encrypt", filepath.Join(dir, secret)); r.code != 0 {
		t.Fatalf("encrypt: %s", r.stderr)
	}
	b, err := os.ReadFile(filepath.Join(dir, secret))
	if err != nil {
		t.Fatal(err)
	}
	swapped := strings.NewReplacer("first:", "second:", "second:", "first:").Replace(string(b))
	if swapped == string(b) {
		t.Fatal("nothing was swapped")
	}
	writeFiles(t, dir, map[string]string{secret: swapped})
	return key
}

// A time limit that is too short is reported as such, not as a fault of the repo.
func TestTimeLimit(t *testing.T) {
	t.Parallel()
	r := verify(t, "--timeout", "1s", fixture("healthy"))
	if r.code != 1 || len(r.report.Findings) == 0 || !slices.ContainsFunc(r.report.Findings, func(f finding.Finding) bool {
		return f.Code == finding.NotReconciled && strings.Contains(f.Message, "within 1s") && strings.Contains(f.Fix, "--timeout")
	}) {
		t.Errorf("exit %d, %+v", r.code, r.report.Findings)
	}
}
