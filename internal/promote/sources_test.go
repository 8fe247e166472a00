package promote

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net/http"
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
	"seatrial.dev/seatrial/test/internet"
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
	sources, changeCharts := chartSources(t)
	sources = append(sources,
		report.Source{Kind: "OCIRepository", Object: "flux-system/a", URL: "oci://" + host + "/charts/a", Tag: "1", Revision: "1@" + push()},
		report.Source{Kind: "GitRepository", Object: "flux-system/b", URL: repos.URL + "/other.git", Tag: "v1", Revision: "v1@sha1:" + commit()},
		report.Source{Kind: "GitRepository", Object: "flux-system/c", URL: "http://127.0.0.1:1/gone.git", Tag: "v1", Revision: "v1@sha1:0"},
		report.Source{Kind: "GitRepository", Object: "flux-system/d", URL: "http://127.0.0.1:1/branch.git", Revision: "main@sha1:0"},
	)
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
	changeCharts()
	r := look()
	if len(r.Reasons) != 4 || !strings.Contains(r.Reasons[0].What, "version 1.0.0 of chart thing of http://") || !strings.Contains(r.Reasons[1].What, "chart thing of oci://") ||
		!strings.Contains(r.Reasons[2].What, "tag 1 of oci://") || !strings.Contains(r.Reasons[3].What, "tag v1 of "+repos.URL) {
		t.Errorf("all moved: %+v", r.Reasons)
	}
}

// chartSources are a chart of a Helm repository and one of a registry, and what gives both another content.
func chartSources(t *testing.T) ([]report.Source, func()) {
	t.Helper()
	text := "a"
	archive := func() []byte { return internet.Chart("thing", "1.0.0", internet.Files{"templates/a.yaml": text}) }
	charts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		internet.Helm(map[string][]byte{"thing-1.0.0.tgz": archive()}, "", "", "").ServeHTTP(w, r)
	}))
	t.Cleanup(charts.Close)
	charter := &internet.Registry{}
	world, err := internet.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(world.Close)
	world.NewRegistry(charter)
	oci := httptest.NewServer(charter.Images())
	t.Cleanup(oci.Close)
	pushChart := func() string {
		t.Helper()
		if err := charter.PushChart("charts/thing", "1.0.0", archive()); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("1.0.0@sha256:%x", sha256.Sum256(archive()))
	}
	sources := []report.Source{
		{Kind: "HelmChart", Object: "flux-system/e", URL: charts.URL, Chart: "thing", Tag: "1.0.0", Revision: pushChart()},
		{Kind: "HelmChart", Object: "flux-system/f", URL: "oci://" + strings.TrimPrefix(oci.URL, "http://") + "/charts", Chart: "thing", Tag: "1.0.0", Revision: pushChart()},
	}
	return sources, func() {
		text = "b"
		pushChart()
	}
}
