package promote

import (
	"io"
	"log"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"seatrial.dev/seatrial/internal/clone"
	"seatrial.dev/seatrial/internal/evidence"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/report"
)

func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// A tag that moved since the rehearsal keeps the gate shut; what can't be asked is told.
func TestMovedTagsAreRefused(t *testing.T) {
	images := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(images.Close)
	host := strings.TrimPrefix(images.URL, "http://")
	tag, err := name.NewTag(host+"/charts/a:1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	push := func() string {
		t.Helper()
		image, err := random.Image(64, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(tag, image); err != nil {
			t.Fatal(err)
		}
		var digest v1.Hash
		if digest, err = image.Digest(); err != nil {
			t.Fatal(err)
		}
		return digest.String()
	}
	dir := t.TempDir()
	bare := filepath.Join(dir, "other.git")
	run(t, dir, "init", "-q", "--bare", bare)
	run(t, dir, "init", "-q", "work")
	work := filepath.Join(dir, "work")
	commit := func() string {
		t.Helper()
		run(t, work, "commit", "-q", "--allow-empty", "-m", "x")
		run(t, work, "tag", "--force", "-a", "-m", "x", "v1")
		run(t, work, "push", "-q", "--force", bare, "v1")
		return run(t, work, "rev-parse", "HEAD")
	}
	repos := httptest.NewServer((&gitrepo.Snapshot{GitDir: bare}).Handler())
	t.Cleanup(repos.Close)
	c, err := clone.Open(t.Context(), work)
	if err != nil {
		t.Fatal(err)
	}
	sources := []report.Source{
		{Kind: "OCIRepository", Object: "flux-system/a", URL: "oci://" + host + "/charts/a", Tag: "1", Revision: "1@" + push()},
		{Kind: "GitRepository", Object: "flux-system/b", URL: repos.URL + "/other.git", Tag: "v1", Revision: "v1@sha1:" + commit()},
		{Kind: "GitRepository", Object: "flux-system/c", URL: "http://127.0.0.1:1/gone.git", Tag: "v1", Revision: "v1@sha1:0"},
		{Kind: "GitRepository", Object: "flux-system/d", URL: "http://127.0.0.1:1/branch.git", Revision: "main@sha1:0"},
	}
	look := func() *Result {
		t.Helper()
		p := &promotion{Options: Options{Clone: c}, result: &Result{}, proof: &evidence.Opened{Rehearsal: evidence.Rehearsal{Sources: sources}}}
		if err := p.sourcesStay(t.Context()); (err == ErrRefused) != (len(p.result.Reasons) > 0) {
			t.Fatal(err)
		}
		return p.result
	}
	if r := look(); len(r.Reasons) > 0 || len(r.Preflight) != 1 || r.Preflight[0].Severity != finding.Warning || r.Preflight[0].Object != "GitRepository/flux-system/c" {
		t.Errorf("nothing moved: %+v, %+v", r.Reasons, r.Preflight)
	}
	push()
	commit()
	r := look()
	if len(r.Reasons) != 2 || !strings.Contains(r.Reasons[0].What, "tag 1 of oci://") || !strings.Contains(r.Reasons[1].What, "tag v1 of "+repos.URL) {
		t.Errorf("both moved: %+v", r.Reasons)
	}
}
