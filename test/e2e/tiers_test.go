package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/cluster/existing"
	"seatrial.dev/seatrial/internal/finding"
)

// Six faults in one repo, each found for what it is. test/containers.sh compares
// with what the kind tier finds.
func TestManyFaults(t *testing.T) {
	t.Parallel()
	logs := t.TempDir()
	r := verify(t, fixture("many-faults"), "--logs", logs)
	if r.code != 1 {
		t.Errorf("exit %d", r.code)
	}
	for _, want := range []finding.Finding{
		{Code: finding.CRDAndCR, Layer: "package-and-route", Object: "HTTPProxy/web/web"},
		{Code: finding.DependencyCycle, Layer: "circle-a", Object: "Kustomization/flux-system/circle-a"},
		{Code: finding.PackageFailed, Layer: "package-values", Object: "PackageInstall/tkg-system/contour-values"},
		{Code: finding.PackageRBAC, Layer: "package-rights", Object: "PackageInstall/tkg-system/cert-manager"},
		{Code: finding.SOPSNoDecryption, Layer: "secrets-unread", Object: "Secret/web/web-token"},
		{Code: finding.SOPSRecipient, Layer: "secrets-other-key", Object: "Secret/web/web-credentials"},
	} {
		if !slices.ContainsFunc(r.report.Findings, func(f finding.Finding) bool {
			return f.Code == want.Code && f.Severity == finding.Error && f.Layer == want.Layer && f.Object == want.Object
		}) {
			t.Errorf("no %s about %s in layer %s", want.Code, want.Object, want.Layer)
		}
	}
	for _, name := range []string{"kapp-controller.log", "kustomize-controller.log"} {
		if b, err := os.ReadFile(filepath.Join(logs, name)); err != nil || len(b) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
}

// The kapp-controller manifest of the other tiers is the one that the embedded tier's
// engine renders.
func TestKappControllerManifestIsTheEngines(t *testing.T) {
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	cache := os.Getenv("SEATRIAL_CACHE")
	if cache == "" {
		cache = filepath.Join(home, ".cache", "seatrial")
	}
	files, err := filepath.Glob(filepath.Join(cache, "engine", "kapp-controller-*", "install.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no engine", err)
	}
	if !slices.ContainsFunc(files, func(file string) bool {
		b, err := os.ReadFile(file)
		return err == nil && bytes.Equal(b, existing.KappControllerManifest())
	}) {
		t.Errorf("internal/cluster/existing/kapp-controller.yaml is none of %s", strings.Join(files, ", "))
	}
}

// A tier that lacks something it needs is refused at once, and nothing is written.
func TestTiersRefuse(t *testing.T) {
	config := filepath.Join(t.TempDir(), "kubeconfig")
	text := "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\ncontexts: [{name: c, context: {cluster: c}}]\ncurrent-context: c\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no Docker":        {[]string{"--cluster", "kind", "--docker", "tcp://127.0.0.1:1"}, "docker"},
		"no kubeconfig":    {[]string{"--cluster", "existing"}, "--kubeconfig"},
		"no such cluster":  {[]string{"--cluster", "existing", "--kubeconfig", config}, "does not answer"},
		"no such tier":     {[]string{"--cluster", "k3d"}, "embedded, kind or existing"},
		"cached, kind":     {[]string{"--cluster", "kind", "--sources", "cached"}, "past the cache"},
		"no such sources":  {[]string{"--sources", "upstream"}, "auto, cached, stand-in or live"},
		"no vendor folder": {[]string{"--vendor-dir", "/nonexistent"}, "seatrial sources pull"},
		"a vendor, kind":   {[]string{"--cluster", "kind", "--vendor-dir", "."}, "--cluster embedded"},
		"its own vendor":   {[]string{"--vendor-dir", "."}, "in the repo's folder"},
		"odd mirror":       {[]string{"--cluster", "kind", "--registry-mirror", "docker.io"}, "REGISTRY=URL"},
		"another tier's":   {[]string{"--node-image", "kindest/node:v1"}, "--cluster kind"},
		"odd report":       {[]string{"--report", "report.pdf"}, ".json"},
		"odd name":         {[]string{"--cluster", "kind", "--run", "A b"}, "--run"},
	} {
		r := command(t, nil, append([]string{"verify"}, c.args...)...)
		if r.code != 2 || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%s: exit %d, want 2 and %q in\n%s", name, r.code, c.want, r.stderr)
		}
	}
}
