package sources

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "deep", "sources"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keep(t *testing.T, s *Store, r Request, status int, body string) {
	t.Helper()
	w, err := s.Keep(r, status, http.Header{"Content-Type": {"text/x"}, "Set-Cookie": {"canary"}})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, body)
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

// found is the body that is kept for a request, or "-".
func found(t *testing.T, s *Store, r Request) string {
	t.Helper()
	e, body, err := s.Find(r)
	if err != nil {
		t.Fatal(err)
	}
	if e == nil {
		return "-"
	}
	if body == nil {
		return ""
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestExchangesAreKeptByWhatTheyDependOn(t *testing.T) {
	s := open(t)
	r := Request{Method: "GET", URL: "https://a.org/x", Who: s.Who("Basic abc")}
	keep(t, s, r, 200, "hello")
	again, err := Open(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := found(t, again, r); got != "hello" {
		t.Errorf("got %q", got)
	}
	for name, other := range map[string]Request{
		"another method": {Method: "HEAD", URL: r.URL, Who: r.Who}, "another URL": {Method: "GET", URL: r.URL + "y", Who: r.Who},
		"somebody else": {Method: "GET", URL: r.URL, Who: s.Who("Basic abd")}, "nobody": {Method: "GET", URL: r.URL},
		"another form": {Method: "GET", URL: r.URL, Who: r.Who, Header: http.Header{"Accept": {"a"}}}, "another body": {Method: "GET", URL: r.URL, Who: r.Who, Body: []byte("x")},
	} {
		if got := found(t, again, other); got != "-" {
			t.Errorf("%s: got %q", name, got)
		}
	}
	if e, body, _ := again.Find(r); e.Header.Get("Content-Type") != "text/x" || e.Header.Get("Set-Cookie") != "" || e.Size != 5 || body.Close() != nil {
		t.Errorf("got %+v", e)
	}
	if info, err := os.Stat(s.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestWhatIsDiscardedOrCutOffIsNotThere(t *testing.T) {
	s := open(t)
	r := Request{Method: "GET", URL: "https://a.org/x"}
	w, err := s.Keep(r, 200, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, "half")
	w.Discard()
	if got := found(t, s, r); got != "-" {
		t.Errorf("got %q", got)
	}
	keep(t, s, r, 200, "whole")
	if err := os.WriteFile(s.file(r), []byte(`{"status":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := found(t, s, r); got != "-" {
		t.Errorf("a cut record: got %q", got)
	}
	keep(t, s, r, 200, "whole")
	blobs, err := os.ReadDir(filepath.Join(s.dir, "blobs"))
	if err != nil || len(blobs) != 1 {
		t.Fatal(blobs, err)
	}
	if err := os.Truncate(filepath.Join(s.dir, "blobs", blobs[0].Name()), 2); err != nil {
		t.Fatal(err)
	}
	if got := found(t, s, r); got != "-" {
		t.Errorf("a cut body: got %q", got)
	}
}

func TestOpenedTwiceAtOnceHasOneKey(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	keys := make([]string, 20)
	for i := range keys {
		wg.Go(func() {
			s, err := Open(dir)
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = s.Who("a")
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k != keys[0] || k == "" {
			t.Fatal(keys)
		}
	}
}

func TestPrune(t *testing.T) {
	s := open(t)
	old, fresh := Request{Method: "GET", URL: "https://a.org/old"}, Request{Method: "GET", URL: "https://a.org/fresh"}
	keep(t, s, old, 200, "only here")
	keep(t, s, fresh, 200, "here")
	keep(t, s, Request{Method: "GET", URL: "https://a.org/old2"}, 200, "here")
	long := time.Now().Add(-48 * time.Hour)
	for _, r := range []Request{old, {Method: "GET", URL: "https://a.org/old2"}} {
		if err := os.Chtimes(s.file(r), long, long); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"blobs", "."} {
		if err := os.WriteFile(filepath.Join(s.dir, dir, "new-1"), []byte("left behind"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	blobs, err := filepath.Glob(filepath.Join(s.dir, "blobs", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(blobs, filepath.Join(s.dir, "new-1")) {
		if err := os.Chtimes(file, long, long); err != nil {
			t.Fatal(err)
		}
	}
	n, size, err := Prune(s.dir, time.Now().Add(-24*time.Hour))
	if err != nil || n != 2 || size != int64(len("only here")+2*len("left behind")) {
		t.Errorf("removed %d, %d bytes, %v", n, size, err)
	}
	if got := found(t, s, fresh) + found(t, s, old); got != "here-" {
		t.Errorf("got %q", got)
	}
	if all, err := List(s.dir); err != nil || len(all) != 1 || all[0].URL != fresh.URL {
		t.Errorf("%+v %v", all, err)
	}
	if _, _, err := Prune(s.dir, time.Now().Add(time.Hour)); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*", "*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if all, err := List(filepath.Join(s.dir, "nowhere")); err != nil || all != nil {
		t.Errorf("%+v %v", all, err)
	}
	if n, size, err := Prune(filepath.Join(s.dir, "nowhere"), time.Now()); n != 0 || size != 0 || err != nil {
		t.Error(n, size, err)
	}
}

func TestNoneKeepsNothing(t *testing.T) {
	s, err := None()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Keep(Request{}, 200, nil); err == nil {
		t.Error("kept nowhere")
	}
	if got := found(t, s, Request{}); got != "-" {
		t.Errorf("got %q", got)
	}
}
