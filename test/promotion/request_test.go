package promotion

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"seatrial.dev/seatrial/internal/promote"
)

// gitea answers as Gitea's API does, for one repository.
type gitea struct {
	mu     sync.Mutex
	bodies []string
	status string
}

// ServeHTTP implements http.Handler.
func (g *gitea) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	pull := map[string]any{"number": 1, "html_url": "https://git.example.com/pulls/1", "body": "<!-- seatrial -->", "head": map[string]any{"ref": "seatrial/promote-production"}, "base": map[string]any{"ref": "main"}}
	var answer any = map[string]any{}
	switch {
	case r.Method == http.MethodGet && len(g.bodies) > 0 && r.URL.Query().Get("page") == "1":
		answer = []any{pull}
	case r.Method == http.MethodGet:
		answer = []any{}
	case strings.Contains(r.URL.Path, "/statuses/"):
		g.status = string(b)
	default:
		g.bodies = append(g.bodies, string(b))
		answer = pull
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(map[bool]int{true: http.StatusCreated, false: http.StatusOK}[r.Method == http.MethodPost])
	_ = json.NewEncoder(w).Encode(answer)
}

// A request is opened with the plan, and renewed the second time; what is merged is watched. Then the fleet's
// waves, with a soak time.
func TestPullRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false, "type: branch", accepted)
	w.verify()
	w.expect(promote.Promoted)
	w.git("pull", "-q", "--ff-only", "origin", "main")

	provider := &gitea{}
	at := httptest.NewServer(provider)
	t.Cleanup(at.Close)
	w.edit(".seatrial.yaml", "type: branch", "type: pull-request, provider: gitea, owner: org, repository: fleet, server: \""+at.URL+"\"")
	w.edit("two/config.yaml", `"1"`, `"2"`)
	w.commit("two")
	w.verify()
	policy := []string{"--policy", filepath.Join(w.repo, ".seatrial.yaml")} // the old one holds until this is merged
	for range 2 {
		p := w.expect(promote.Requested, policy...)
		if p.result.Request != "https://git.example.com/pulls/1" {
			t.Errorf("request %q", p.result.Request)
		}
	}
	if len(provider.bodies) != 2 || !strings.Contains(provider.bodies[0], "ConfigMap/web/settings") || !strings.Contains(provider.bodies[0], "blind spot pods-simulated") {
		t.Errorf("bodies %q", provider.bodies)
	}
	if !strings.Contains(provider.status, "seatrial/verify") || !strings.Contains(provider.status, "success") {
		t.Errorf("status %s", provider.status)
	}
	if got := w.setting("web", "settings", "a"); got != "1" {
		t.Errorf("the cluster has %q before the merge", got)
	}
	w.refused("the request is not merged", append(policy, "--resume")...)
	// Somebody merges it, as a merge commit of the same tree.
	head := w.git("rev-parse", "HEAD")
	w.git("checkout", "-q", "-b", "merged", "origin/main")
	w.git("merge", "-q", "--no-ff", "-m", "merge", head)
	w.git("push", "-q", "origin", "HEAD:main")
	w.git("checkout", "-q", "main")
	p := w.expect(promote.Promoted, append(policy, "--resume")...)
	if p.result.Delivered != w.git("rev-parse", "merged") {
		t.Errorf("watched %s", p.result.Delivered)
	}
	if got := w.setting("web", "settings", "a"); got != "2" {
		t.Errorf("the cluster has %q", got)
	}
	w.fleet()
	w.clean(w.up.Token, w.key("sign.key"))
	for _, body := range append(provider.bodies, provider.status) {
		if strings.Contains(body, w.up.Token) || strings.Contains(body, w.key("sign.key")) {
			t.Error("a secret is in a request's body")
		}
	}
}

// fleet promotes in waves: the second target is another name of the same cluster, with a policy that refuses it.
func (w *world) fleet() {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.repo, ".seatrial.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	target := string(b)[strings.Index(string(b), "    production:"):]
	text := string(b) + strings.Replace(strings.Replace(target, "    production:", "    second:", 1), w.up.UID, "00000000-0000-0000-0000-000000000000", 1) +
		"    third:" + strings.TrimPrefix(target, "    production:") +
		"  waves:\n    - {targets: [production], soak: 3s}\n    - {targets: [second, third]}\n"
	file := filepath.Join(w.dir, "fleet.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	cmd := w.command("promote", "--all", "-o", "json", "--patience", "3s", "--policy", file)
	out, err := cmd.Output()
	var f promote.Fleet
	if jsonErr := json.Unmarshal(out, &f); jsonErr != nil {
		w.t.Fatalf("%v, %v\n%s", err, jsonErr, out)
	}
	if cmd.ProcessState.ExitCode() != 1 || len(f.Results) != 2 || f.Results[0].Outcome != promote.Promoted || f.Results[1].Outcome != promote.Refused || f.Why != "second: refused" || len(f.Waiting) != 1 || f.Waiting[0] != "third" {
		w.t.Errorf("exit %d, %s\n%s", cmd.ProcessState.ExitCode(), f.Why, out)
	}
}
