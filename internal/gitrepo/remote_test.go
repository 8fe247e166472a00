package gitrepo

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func must(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@t", "-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// A tree is pushed as its own commit, also from a shallow clone, whose commit
// has parents that no server would take without having them.
func TestPushAndAdvance(t *testing.T) {
	full := t.TempDir()
	must(t, full, "init", "-q", "-b", "main")
	for _, content := range []string{"one", "two"} {
		if err := os.WriteFile(filepath.Join(full, "file"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		must(t, full, "add", "-A")
		must(t, full, "commit", "-qm", content)
	}
	shallow := filepath.Join(t.TempDir(), "shallow")
	must(t, full, "clone", "-q", "--depth=1", "file://"+full, shallow)
	for name, dir := range map[string]string{"full": full, "shallow": shallow} {
		t.Run(name, func(t *testing.T) {
			server := filepath.Join(t.TempDir(), "server.git")
			must(t, full, "init", "-q", "--bare", server)
			s, err := Take(t.Context(), dir, filepath.Join(t.TempDir(), "repo.git"), Options{})
			if err != nil {
				t.Fatal(err)
			}
			to := Access{protocols: "file", URL: server}
			if err := s.Push(t.Context(), to); err != nil {
				t.Fatal(err)
			}
			if got := must(t, server, "rev-parse", Branch); got != s.Commit || must(t, server, "rev-parse", Branch+"^{tree}") != s.Tree {
				t.Errorf("the server has %s, the snapshot says %s", got, s.Commit)
			}
			if same := s.Commit == must(t, dir, "rev-parse", "HEAD"); same != (name == "full") {
				t.Errorf("pushed %s", s.Commit)
			}
			// What flux bootstrap does: a commit on top.
			clone := filepath.Join(t.TempDir(), "clone")
			must(t, full, "clone", "-q", "-b", Branch, server, clone)
			if err := os.WriteFile(filepath.Join(clone, "gotk-sync-ü.yaml"), []byte("sync"), 0o644); err != nil {
				t.Fatal(err)
			}
			must(t, clone, "add", "-A")
			must(t, clone, "commit", "-qm", "Add Flux sync manifests")
			must(t, clone, "push", "-q", "origin", Branch)
			next, changes, err := s.Advance(t.Context(), to)
			if err != nil {
				t.Fatal(err)
			}
			want := []Change{{File: "gotk-sync-ü.yaml", After: must(t, clone, "rev-parse", "HEAD:gotk-sync-ü.yaml")}}
			if next.Commit != must(t, clone, "rev-parse", "HEAD") || !reflect.DeepEqual(changes, want) {
				t.Errorf("advanced to %s with %+v, want %+v", next.Commit, changes, want)
			}
		})
	}
}
