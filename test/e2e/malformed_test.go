package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Whatever the folder holds, a rehearsal ends with a finding or an error: it neither
// panics nor hangs.
func TestMalformedInputIsToldOf(t *testing.T) {
	wide := &strings.Builder{}
	wide.WriteString("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big, namespace: web}\ndata:\n")
	for i := range 60_000 {
		fmt.Fprintf(wide, "  key-%d: %s\n", i, strings.Repeat("x", 70))
	}
	long := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big, namespace: web}\ndata:\n  text: |\n" + strings.Repeat("    "+strings.Repeat("y", 96)+"\n", 50_000)
	for _, c := range []struct {
		name string
		args []string
		// change breaks a copy of a healthy repo.
		change func(dir string) error
		code   int
		says   string
	}{
		{name: "empty folder", code: 2, says: "holds no files that Git would track", change: func(dir string) error {
			entries, err := os.ReadDir(dir)
			for _, e := range entries {
				if err == nil {
					err = os.RemoveAll(filepath.Join(dir, e.Name()))
				}
			}
			return err
		}},
		{name: "empty Git repo", code: 2, says: "holds no files that Git would track", change: func(dir string) error {
			for _, name := range []string{"clusters", "layers"} {
				if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
					return err
				}
			}
			return program(t, nil, nil, "git", "init", "-q", dir).err()
		}},
		{name: "no such path", args: []string{"--path", "clusters/none"}, code: 2, says: `path "clusters/none" is not in the repo`},
		{name: "no such folder", args: []string{"none"}, code: 2, says: "is not a folder"},
		{name: "broken YAML", code: 1, says: "yaml-invalid", change: write("layers/settings/bad.yaml", "a: b\n  c: [\n")},
		{name: "binary file", code: 1, says: "yaml-invalid", change: write("layers/settings/bad.yaml", "\x00\x01\xff\xfe\x00ELF")},
		{name: "symlink loop", code: 0, says: "Summary: pass", change: func(dir string) error {
			return os.Symlink("../settings", filepath.Join(dir, "layers", "settings", "loop"))
		}},
		{name: "five megabytes of keys", code: 1, says: "too-large", change: write("layers/settings/big.yaml", wide.String())},
		{name: "five megabytes of text", code: 1, says: "layer settings", change: write("layers/settings/big.yaml", long)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "repo")
			if err := os.CopyFS(dir, os.DirFS(fixture("bootstrapped"))); err != nil {
				t.Fatal(err)
			}
			if c.change != nil {
				if err := c.change(dir); err != nil {
					t.Fatal(err)
				}
			}
			args := c.args
			if len(args) != 1 {
				args = append([]string{dir}, args...)
			}
			start := time.Now()
			r := verify(t, args...)
			if took := time.Since(start); took > 90*time.Second {
				t.Errorf("took %s", took)
			}
			if r.code != c.code || !strings.Contains(r.stdout+r.stderr, c.says) || strings.Contains(r.stderr, "goroutine ") {
				t.Errorf("want exit %d and %q, got exit %d", c.code, c.says, r.code)
			}
		})
	}
}

func write(file, text string) func(dir string) error {
	return func(dir string) error { return os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644) }
}

func (r run) err() error {
	if r.code != 0 {
		return fmt.Errorf("exit %d: %s", r.code, r.stderr)
	}
	return nil
}
