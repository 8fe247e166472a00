package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/verdict"
)

// Taken away from a namespace, its Pod Security label is what the rehearsal names: for a chart's
// pods, and for a package's.
func TestMissingPodSecurityLabelIsFound(t *testing.T) {
	t.Parallel()
	dir, key := keyed(t, fullBlueprint())
	want := map[string]string{"tanzu-system-ingress": "have an overlay of the package label namespace tanzu-system-ingress with pod-security.kubernetes.io/enforce: baseline"}
	for namespace, level := range map[string]string{"gitea": "baseline", "jenkins": "baseline", "minio": "baseline", "monitoring": "privileged", "openldap": "baseline", "vault": "baseline"} {
		edit(t, dir, "namespaces/"+namespace+".yaml", "  labels:\n    pod-security.kubernetes.io/enforce: "+level+"\n", "")
		want[namespace] = "label namespace " + namespace + " (" + sources + "namespaces/" + namespace + ".yaml:"
	}
	edit(t, dir, "kapp/contour.yaml", "ext.packaging.carvel.dev/ytt-paths-from-secret-name.0", "seatrial.dev/was")
	r := verify(t, dir, "--age-key", key)
	if r.code != 1 || r.report.Verdict != verdict.Fail {
		t.Errorf("exit %d, verdict %q", r.code, r.report.Verdict)
	}
	for namespace, fix := range want {
		if !slices.ContainsFunc(r.report.Findings, func(f finding.Finding) bool {
			return f.Code == finding.PodSecurity && strings.Contains(f.Object, "/"+namespace+"/") && strings.Contains(f.Fix, fix) && strings.Contains(f.Evidence, "violates PodSecurity \"restricted:latest\"")
		}) {
			t.Errorf("%s: got %+v", namespace, r.report.Findings)
		}
	}
	// The same repo passes where the user says that the cluster is not so strict.
	if r := verify(t, dir, "--age-key", key, "--pod-security", "privileged"); r.code != 0 || len(r.report.Findings) != 3 {
		// but Contour's images then bypass the proxy, and nobody needs the overlay any more
		t.Errorf("exit %d: %+v", r.code, r.report.Findings)
	}
}

// Images come through the Harbor that the repo installs, but for those that it needs itself; a
// user's own workload that goes past it is told.
func TestOwnHarborAsProxy(t *testing.T) {
	t.Parallel()
	blueprint := filepath.Join(t.TempDir(), "seatrial.yaml")
	text := "apiVersion: seatrial.dev/v1alpha1\nkind: Blueprint\nregistryProxy: harbor.services.my-domain.com/hub\nservices: {harbor: {}, trivy: {exposed: false}}\n"
	if err := os.WriteFile(blueprint, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	dir, key := keyed(t, blueprint)
	if r := verify(t, dir, "--age-key", key); r.code != 0 || len(r.report.Findings) > 0 {
		t.Errorf("exit %d: %+v", r.code, r.report.Findings)
	}
	// Overlays hold no secret, so without the key it is the same.
	if r := verify(t, dir); r.code != 0 || len(r.report.Findings) > 0 {
		t.Errorf("without the key: exit %d: %+v", r.code, r.report.Findings)
	}
	edit(t, dir, "helm/trivy.yaml", "newName: harbor.services.my-domain.com/hub/aquasec/trivy", "newName: docker.io/aquasec/trivy")
	r := verify(t, dir, "--age-key", key)
	if r.code != 0 || len(r.report.Findings) != 1 || r.report.Findings[0].Code != finding.ImageBypassesProxy || r.report.Findings[0].Object != "HelmRelease/trivy/trivy" ||
		!strings.Contains(r.report.Findings[0].Fix, "harbor.services.my-domain.com/hub/aquasec/trivy:0.74.0") {
		t.Errorf("exit %d: %+v", r.code, r.report.Findings)
	}
}
