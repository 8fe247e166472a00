package cli

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// internet answers every request of the process as all the places together that charts and
// images come from.
type internet struct{ index string }

func (i internet) RoundTrip(r *http.Request) (*http.Response, error) {
	out := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r, Body: http.NoBody}
	switch {
	case strings.HasSuffix(r.URL.Path, "/index.yaml"):
		out.Body = io.NopCloser(strings.NewReader(i.index))
	case strings.Contains(r.URL.Path, "/manifests/"):
		out.ContentLength = 2
		out.Header.Set("Content-Length", "2")
		out.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		out.Header.Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
	}
	return out, nil
}

func TestWithdrawnVersionIsFound(t *testing.T) {
	was := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = was })
	dir := t.TempDir()
	file := filepath.Join(dir, "seatrial.yaml")
	if err := os.WriteFile(file, []byte("apiVersion: seatrial.dev/v1alpha1\nkind: Blueprint\nservices: {trivy: {exposed: false}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for index, code := range map[string]int{"entries: {trivy: [{version: 0.22.0}]}": exitPass, "entries: {trivy: [{version: 0.21.0}, {version: 0.23.0}]}": exitFail} {
		http.DefaultTransport = internet{index}
		var out, errs bytes.Buffer
		s := Streams{In: strings.NewReader(""), Out: &out, Err: &errs}
		if got := Main([]string{"images", "--check", "--blueprint", file}, s); got != code || strings.Contains(out.String(), "withdrawn") != (code == exitFail) || !strings.Contains(out.String(), "found ") {
			t.Errorf("%s: exit %d\n%s%s", index, got, out.String(), errs.String())
		}
		if code == exitFail && !strings.Contains(errs.String(), "withdrawn: chart trivy 0.22.0 of https://aquasecurity.github.io/helm-charts: the newest there is 0.23.0") {
			t.Error(errs.String())
		}
		repo := filepath.Join(dir, "repo")
		got := Main([]string{"generate", "--check", "--blueprint", file, "--out", repo}, s)
		if _, err := os.Stat(repo); got != code || (err == nil) != (code == exitPass) {
			t.Errorf("%s: generate: exit %d, %v\n%s", index, got, err, errs.String())
		}
		_ = os.RemoveAll(repo)
	}
}
