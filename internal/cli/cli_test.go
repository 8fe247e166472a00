package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Shim()
	testscript.Main(m, map[string]func(){
		"seatrial": func() { os.Exit(Main(os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})) },
	})
}

// Each script is named after the behaviour that it shows.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOFLAGS", "GOPROXY"} {
				if v, ok := os.LookupEnv(name); ok {
					e.Setenv(name, v)
				}
			}
			return nil
		},
	})
}

// A malformed blueprint is refused with its line, and nothing is written.
func TestMalformedBlueprintsWriteNothing(t *testing.T) {
	files, err := filepath.Glob("../../fixtures/blueprints/malformed/*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		out := filepath.Join(t.TempDir(), "out")
		var stdout, stderr strings.Builder
		code := Main([]string{"generate", "--blueprint", file, "--out", out}, Streams{In: strings.NewReader(""), Out: &stdout, Err: &stderr})
		if code != exitUsage || stdout.String() != "" || !regexp.MustCompile(regexp.QuoteMeta(file)+`:\d+: .+: .+`).MatchString(stderr.String()) {
			t.Errorf("%s: exit %d\n%s%s", file, code, stdout.String(), stderr.String())
		}
		if _, err := os.Stat(out); !os.IsNotExist(err) {
			t.Errorf("%s: something was written", file)
		}
	}
}

// What a URL serves must have the blueprint's checksum.
func TestEssentialsMustHaveTheirChecksum(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("kind: Namespace\n")) }))
	defer web.Close()
	sum := sha256.Sum256([]byte("kind: Namespace\n"))
	good := &blueprint.Manifest{URL: web.URL, SHA256: hex.EncodeToString(sum[:])}
	if b, err := fetchManifest(t.Context(), good, ".", web.Client()); err != nil || string(b) != "kind: Namespace\n" {
		t.Errorf("%v %s", err, b)
	}
	good.SHA256 = strings.Repeat("0", 64)
	if _, err := fetchManifest(t.Context(), good, ".", web.Client()); err == nil || !strings.Contains(err.Error(), "sha256") {
		t.Errorf("got %v", err)
	}
}
