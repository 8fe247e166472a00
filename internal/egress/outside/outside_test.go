package outside

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/sources"
	"seatrial.dev/seatrial/test/internet"
)

// world is what all tests live in: the certificate authorities of a process are read once.
var world *internet.Internet

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "outside-")
	if err == nil {
		world, err = internet.New(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, kv := range append(world.Env(), "HOME="+dir, "DOCKER_CONFIG="+dir, "NETRC="+filepath.Join(dir, "netrc"), "HELM_REPOSITORY_CONFIG="+filepath.Join(dir, "repositories.yaml")) {
		name, value, _ := strings.Cut(kv, "=")
		os.Setenv(name, value)
	}
	code := m.Run()
	world.Close()
	os.RemoveAll(dir)
	os.Exit(code)
}

// server makes a server with a store of its own.
func server(t *testing.T, mode egress.Mode) (*Server, string) {
	t.Helper()
	dir := t.TempDir()
	return reopened(t, mode, dir), dir
}

func reopened(t *testing.T, mode egress.Mode, dir string) *Server {
	t.Helper()
	store, err := sources.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := FindCredentials()
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Mode: mode, Store: store, Credentials: credentials})
}

// answer is what a server said.
type answer struct {
	status       int
	origin       egress.Origin
	body, why    string
	yours        bool
	header       http.Header
	authenticate string
}

// ask asks a server as the door does.
func ask(s *Server, method, address string, header map[string]string, body string) answer {
	r := httptest.NewRequest(method, "http://outside/", strings.NewReader(body))
	r.Header.Set(egress.HeaderURL, address)
	r.Header.Set(egress.HeaderNamed, "yes")
	for name, value := range header {
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	h := w.Result().Header
	return answer{w.Code, egress.Origin(h.Get(egress.HeaderOrigin)), w.Body.String(), h.Get(egress.HeaderWhy), h.Get(egress.HeaderYours) != "", h, h.Get("Www-Authenticate")}
}

func get(s *Server, address string) answer { return ask(s, http.MethodGet, address, nil, "") }

func text(s string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) })
}

func TestModes(t *testing.T) {
	const address = "https://modes.example.org/index.yaml"
	for _, mode := range []egress.Mode{egress.Live, egress.Auto} {
		world.Handle("modes.example.org", text("hello"))
		s, dir := server(t, mode)
		if a := get(s, address); a.status != 200 || a.origin != egress.Upstream || a.body != "hello" {
			t.Fatalf("%s: %+v", mode, a)
		}
		world.Handle("modes.example.org", nil)
		if a := get(reopened(t, egress.Cached, dir), address); a.status != 200 || a.origin != egress.Cache || a.body != "hello" {
			t.Errorf("cached: %+v", a)
		}
		if a := get(reopened(t, egress.Auto, dir), address); a.origin != egress.Cache {
			t.Errorf("auto, offline: %+v", a)
		}
		if a := get(reopened(t, egress.Live, dir), address); a.origin != egress.Refused || a.status != egress.RefusedStatus || a.why == "" {
			t.Errorf("live, offline: %+v", a)
		}
		if a := get(reopened(t, egress.StandIn, dir), address); a.origin != egress.Refused {
			t.Errorf("stand-in: %+v", a)
		}
	}
	world.Handle("modes.example.org", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }))
	s, _ := server(t, egress.Auto)
	if a := get(s, address); a.origin != egress.Refused || !strings.Contains(a.why, "503") {
		t.Errorf("a broken server: %+v", a)
	}
	world.Handle("modes.example.org", text("well again"))
	if a := get(s, address); a.origin != egress.Upstream {
		t.Errorf("a server that was broken for a moment: %+v", a)
	}
	world.Handle("modes.example.org", nil)
	s, _ = server(t, egress.Auto)
	get(s, address)
	world.Handle("modes.example.org", text("too late"))
	if a := get(s, address); a.origin != egress.Refused {
		t.Errorf("a host that is down is asked again: %+v", a)
	}
}

// A damaged body is not given to anybody, and fetched again.
func TestCacheIsVerified(t *testing.T) {
	world.Handle("damage.example.org", text("the whole truth"))
	s, dir := server(t, egress.Live)
	get(s, "https://damage.example.org/a.tgz")
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs", "*"))
	if err != nil || len(blobs) != 1 {
		t.Fatal(blobs, err)
	}
	if err := os.WriteFile(blobs[0], []byte("the whole truht"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a := get(reopened(t, egress.Cached, dir), "https://damage.example.org/a.tgz"); a.origin != egress.Refused {
		t.Errorf("a damaged body was given out: %+v", a)
	}
	get(reopened(t, egress.Live, dir), "https://damage.example.org/a.tgz")
	if a := get(reopened(t, egress.Cached, dir), "https://damage.example.org/a.tgz"); a.body != "the whole truth" {
		t.Errorf("not fetched again: %+v", a)
	}
}

// What was not there once is asked for again; only a blob can't have changed.
func TestWhatCanHaveChangedIsAskedFor(t *testing.T) {
	digest := strings.Repeat("a", 64)
	sent := "here"
	world.Handle("changes.example.org", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if sent == "" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, sent)
	}))
	s, dir := server(t, egress.Live)
	manifest, blob, chart := "https://changes.example.org/v2/a/manifests/sha256:"+digest, "https://changes.example.org/v2/a/blobs/sha256:"+digest, "https://changes.example.org/chart.tgz"
	get(s, manifest)
	get(s, blob)
	sent = ""
	if a := get(s, manifest); a.status != http.StatusNotFound {
		t.Errorf("a manifest that is gone: %+v", a)
	}
	if a := get(s, blob); a.status != http.StatusOK || a.origin != egress.Cache {
		t.Errorf("a blob: %+v", a)
	}
	get(s, chart)
	world.Handle("changes.example.org", nil)
	if a := get(reopened(t, egress.Auto, dir), chart); a.origin != egress.Refused {
		t.Errorf("what was missing stands for the source: %+v", a)
	}
	if a := get(reopened(t, egress.Cached, dir), chart); a.status != http.StatusNotFound {
		t.Errorf("cached: %+v", a)
	}
}

// Answers are passed on as they are: not unpacked, and not without end.
func TestAnswersAreNotUnpacked(t *testing.T) {
	world.Handle("packed.example.org", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "packed for "+r.Header.Get("Accept-Encoding"))
	}))
	s, dir := server(t, egress.Live)
	for _, s := range []*Server{s, reopened(t, egress.Cached, dir)} {
		if a := ask(s, http.MethodGet, "https://packed.example.org/a.tgz", map[string]string{"Accept-Encoding": "gzip"}, ""); a.body != "packed for gzip" || a.header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%+v", a)
		}
	}
}

func TestUnchangedIsNotFetchedAgain(t *testing.T) {
	sent := 0
	world.Handle("etag.example.org", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"7"`)
		if r.Header.Get("If-None-Match") == `"7"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		sent++
		_, _ = io.WriteString(w, "index")
	}))
	s, dir := server(t, egress.Live)
	get(s, "https://etag.example.org/index.yaml")
	if a := get(reopened(t, egress.Auto, dir), "https://etag.example.org/index.yaml"); a.status != 200 || a.body != "index" || a.origin != egress.Upstream || sent != 1 {
		t.Errorf("sent %d times: %+v", sent, a)
	}
}

// What Git sends decides what it gets.
func TestPostedBodies(t *testing.T) {
	world.Handle("git.example.org", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Method+" "+string(b))
	}))
	s, dir := server(t, egress.Live)
	const address = "https://git.example.org/a.git/git-upload-pack"
	for _, want := range []string{"want 1", "want 2"} {
		ask(s, http.MethodPost, address, nil, want)
	}
	s = reopened(t, egress.Cached, dir)
	for _, want := range []string{"want 1", "want 2"} {
		if a := ask(s, http.MethodPost, address, nil, want); a.body != "POST "+want || a.origin != egress.Cache {
			t.Errorf("%s: %+v", want, a)
		}
	}
	if a := ask(s, http.MethodPost, address, nil, "want 3"); a.origin != egress.Refused {
		t.Errorf("what was not asked before: %+v", a)
	}
}

// A vendor folder answers whoever asks, and before anything else.
func TestVendorFolder(t *testing.T) {
	registryOf(t, "vendored.example.org")
	dir := t.TempDir()
	vendor, err := sources.MakeVendor(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Mode: egress.Live, Store: vendor})
	if a := pull(t, s, "vendored.example.org", "private/chart", basic("robot", "canary-secret")); a.status != 200 {
		t.Fatalf("%+v", a)
	}
	if a := ask(s, http.MethodGet, "https://vendored.example.org/v2/private/chart/manifests/1", map[string]string{"Accept": "application/vnd.oci.image.manifest.v1+json"}, ""); a.status != 401 {
		t.Fatalf("%+v", a)
	}
	if vendor, err = sources.OpenVendor(dir); err != nil {
		t.Fatal(err)
	}
	world.Handle("vendored.example.org", text("changed"))
	s, _ = server(t, egress.Auto)
	s.Vendor = vendor
	for _, credential := range []map[string]string{basic("robot", "canary-secret"), basic("somebody", "else"), nil} {
		if a := pull(t, s, "vendored.example.org", "private/chart", credential); a.status != 200 || a.origin != egress.Vendor || a.header.Get(egress.HeaderUntried) == "" {
			t.Errorf("%v: %+v", credential, a)
		}
	}
	if _, err := sources.OpenVendor(t.TempDir()); err == nil {
		t.Error("an empty folder is no vendor folder")
	}
}
