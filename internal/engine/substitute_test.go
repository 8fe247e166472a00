package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A text that upstream has moved, doubled or removed fails the build, and says where to look.
func TestSubstitutionApplies(t *testing.T) {
	s := substitution{Module: "example.com/m", File: "a/b.go", Text: "5 * time.Second", Instead: "time.Second"}
	for text, want := range map[string]string{
		"Interval: 5 * time.Second,\n":       "",
		"Interval: 6 * time.Second,\n":       "0 times in a/b.go",
		"5 * time.Second, 5 * time.Second\n": "2 times in a/b.go",
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "a", "b.go")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o444); err != nil {
			t.Fatal(err)
		}
		err := s.apply(dir)
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), substitutionsFile) {
				t.Errorf("%q: got %v, want %s", text, err, want)
			}
			continue
		}
		if b, readErr := os.ReadFile(file); err != nil || readErr != nil || string(b) != "Interval: time.Second,\n" {
			t.Errorf("got %q, %v, %v", b, err, readErr)
		}
	}
	if err := s.apply(t.TempDir()); err == nil || !strings.Contains(err.Error(), "has no a/b.go any more") {
		t.Errorf("a file that is gone: got %v", err)
	}
}

// Reports name what is built otherwise than upstream does.
func TestVersionsTellOfSubstitutions(t *testing.T) {
	versions, err := Versions()
	if err != nil {
		t.Fatal(err)
	}
	for name, changed := range map[string]bool{"kustomize-controller": true, "helm-controller": true, "kubernetes": true, "kapp-controller": true, "source-controller": false, "etcd": false} {
		if got := strings.Contains(versions[name], ", changed: it "); got != changed {
			t.Errorf("%s: %s", name, versions[name])
		}
	}
	for _, f := range families {
		changed, err := f.substitutions()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range changed {
			if !strings.Contains(versions[s.Part], s.Says) {
				t.Errorf("no version tells that %s of %s %s", s.File, s.Module, s.Says)
			}
		}
	}
}
