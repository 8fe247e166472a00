package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"

	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/platform"
)

// A flag goes before .seatrial.yaml, and that before the ConfigMap of a generated repo.
func TestWhoSaysWhatTheClusterIsLike(t *testing.T) {
	const declared = "apiVersion: seatrial.dev/v1alpha1\nkind: Rehearsal\npodSecurity: baseline\npackagingGlobalNamespace: declared\n"
	const essentials = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cluster-essentials, namespace: flux-system}\ndata: {flavour: tkg-2, packagingGlobalNamespace: essential}\n"
	for name, c := range map[string]struct {
		declared, essentials string
		flags                []string
		level, namespace     string
	}{
		"nobody":                 {"", "", nil, "", "tkg-system"},
		"the ConfigMap":          {"", essentials, nil, "restricted", "essential"},
		"the file":               {declared, "", nil, "baseline", "declared"},
		"the file before it":     {declared, essentials, nil, "baseline", "declared"},
		"a flag before both":     {declared, essentials, []string{"--pod-security=privileged", "--packaging-global-namespace=flagged"}, "privileged", "flagged"},
		"a flag before the file": {declared, "", []string{"--packaging-global-namespace=flagged"}, "baseline", "flagged"},
	} {
		dir := t.TempDir()
		files := map[string]string{"clusters/a/ns.yaml": "a: b\n", ".seatrial.yaml": c.declared, "clusters/a/" + platform.File: c.essentials}
		for file, text := range files {
			if text == "" {
				continue
			}
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		s, err := gitrepo.Take(t.Context(), dir, filepath.Join(t.TempDir(), "repo.git"), gitrepo.Options{})
		if err != nil {
			t.Fatal(err)
		}
		v, f := &verify{}, pflag.NewFlagSet("verify", pflag.ContinueOnError)
		v.registerAll(f)
		if err := f.Parse(c.flags); err != nil {
			t.Fatal(err)
		}
		d, err := declaredBy(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		p, err := v.platform(t.Context(), s, d)
		if err != nil || p.PodSecurity != c.level || v.tiers.globalNamespace != c.namespace {
			t.Errorf("%s: level %q, namespace %q, %v", name, p.PodSecurity, v.tiers.globalNamespace, err)
		}
	}
}
