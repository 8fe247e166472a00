package forge

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// server answers as a provider does, with the shapes of its API's documentation, and remembers one
// request and its comments.
type server struct {
	t        *testing.T
	mu       sync.Mutex
	calls    []string // method and path
	auth     string
	body     string // of the request that is open; empty if there is none
	comments map[int]string
	status   map[string]any
	refuse   bool
}

func (s *server) start() string {
	at := httptest.NewServer(s)
	s.t.Cleanup(at.Close)
	s.comments = map[int]string{}
	return at.URL
}

// paths has, by provider, the paths of the API: requests, comments, statuses.
var paths = map[string][3]string{
	"github": {"/api/v3/repos/org/fleet/pulls", "/api/v3/repos/org/fleet/issues/7/comments", "/api/v3/repos/org/fleet/statuses/abc"},
	"gitlab": {"/api/v4/projects/org%2Ffleet/merge_requests", "/api/v4/projects/org%2Ffleet/merge_requests/7/notes", "/api/v4/projects/org%2Ffleet/statuses/abc"},
	"gitea":  {"/api/v1/repos/org/fleet/pulls", "/api/v1/repos/org/fleet/issues/7/comments", "/api/v1/repos/org/fleet/statuses/abc"},
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.auth = r.Header.Get("Authorization") + r.Header.Get("Private-Token")
	s.calls = append(s.calls, r.Method+" "+r.URL.EscapedPath())
	var got map[string]any
	if b, err := io.ReadAll(r.Body); err != nil || len(b) > 0 && json.Unmarshal(b, &got) != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	text := func(names ...string) string {
		for _, n := range names {
			if v, ok := got[n].(string); ok {
				return v
			}
		}
		return ""
	}
	answer := func(code int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	p := r.URL.EscapedPath()
	for _, paths := range paths {
		switch {
		case p == paths[0] && r.Method == http.MethodGet:
			if s.body == "" || r.URL.Query().Get("page") > "1" {
				answer(200, []any{})
			} else {
				answer(200, []any{s.request()})
			}
			return
		case p == paths[0] && r.Method == http.MethodPost:
			if s.refuse {
				answer(403, map[string]any{"message": "Resource not accessible by integration"})
				return
			}
			s.body = text("body", "description")
			answer(201, s.request())
			return
		case p == paths[0]+"/7" && (r.Method == http.MethodPatch || r.Method == http.MethodPut):
			s.body = text("body", "description")
			answer(200, s.request())
			return
		case p == paths[1] && r.Method == http.MethodGet:
			all := []any{}
			for id, body := range s.comments {
				all = append(all, map[string]any{"id": id, "body": body})
			}
			answer(200, all)
			return
		case p == paths[1] && r.Method == http.MethodPost:
			s.comments[100+len(s.comments)] = text("body")
			answer(201, map[string]any{"id": 100, "body": text("body")})
			return
		case strings.HasSuffix(p, "/100") && (r.Method == http.MethodPatch || r.Method == http.MethodPut):
			s.comments[100] = text("body")
			answer(200, map[string]any{"id": 100, "body": text("body")})
			return
		case p == paths[2] && r.Method == http.MethodPost:
			s.status = got
			answer(201, got)
			return
		}
	}
	answer(404, map[string]any{"message": "404 " + p})
}

// request is the open one, in the words of all three providers.
func (s *server) request() map[string]any {
	branch := func(name string) map[string]any { return map[string]any{"ref": name, "label": name} }
	return map[string]any{
		"number": 7, "iid": 7, "id": 70, "state": "open", "body": s.body, "description": s.body,
		"html_url": "https://git.example.com/org/fleet/7", "web_url": "https://git.example.com/org/fleet/7",
		"head": branch("seatrial/promote-a"), "base": branch("main"), "source_branch": "seatrial/promote-a", "target_branch": "main",
	}
}

// A request is opened, renewed in place, and commented on once if it is somebody else's; the status is the
// one that branch protection requires.
func TestRequests(t *testing.T) {
	for provider, paths := range paths {
		t.Run(provider, func(t *testing.T) {
			s := &server{t: t}
			f, err := New(Options{Provider: provider, Server: s.start(), Owner: "org", Repository: "fleet", Token: "canary"})
			if err != nil {
				t.Fatal(err)
			}
			request := func(body string) string {
				t.Helper()
				address, err := f.Request(t.Context(), Request{From: "seatrial/promote-a", Into: "main", Title: "Promote", Body: body})
				if err != nil {
					t.Fatal(err)
				}
				return address
			}
			if got := request("one"); got != "https://git.example.com/org/fleet/7" || !strings.Contains(s.body, "one") || !strings.Contains(s.body, Mark) {
				t.Errorf("opened %s: %q", got, s.body)
			}
			if !strings.Contains(s.auth, "canary") {
				t.Errorf("authorized by %q", s.auth)
			}
			request("two")
			if !strings.Contains(s.body, "two") || strings.Contains(s.body, "one") || len(s.comments) > 0 {
				t.Errorf("renewed: %q, comments %v", s.body, s.comments)
			}
			s.body = "somebody else's"
			request("three")
			request("four")
			if s.body != "somebody else's" || len(s.comments) != 1 || !strings.Contains(s.comments[100], "four") {
				t.Errorf("body %q, comments %v", s.body, s.comments)
			}
			if err := f.Status(t.Context(), "abc", true, "every layer reconciled", ""); err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprint(s.status["context"], s.status["name"])
			if s.status["state"] != "success" || !strings.Contains(name, StatusName) {
				t.Errorf("status %v", s.status)
			}
			if last := s.calls[len(s.calls)-1]; last != "POST "+paths[2] {
				t.Errorf("asked %s", last)
			}
			s.body, s.refuse = "", true
			if _, err := f.Request(t.Context(), Request{From: "seatrial/promote-a", Into: "main"}); err == nil || !strings.Contains(err.Error(), "request: ") || strings.Contains(err.Error(), "canary") {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

// Providers refuse bodies that are too long.
func TestBodiesAreCut(t *testing.T) {
	got := marked(strings.Repeat("é", MaxBody))
	if len(got) > MaxBody || !strings.Contains(got, "cut off") || strings.ToValidUTF8(got, "") != got {
		t.Errorf("%d bytes", len(got))
	}
	if !ours(got) {
		t.Error("the mark was cut off")
	}
}
