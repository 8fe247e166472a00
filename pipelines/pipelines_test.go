package pipelines_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"

	"seatrial.dev/seatrial/internal/dagger"
	"seatrial.dev/seatrial/pipelines"
)

var update = flag.Bool("update", false, "write the golden files")

var dag = dagger.Connect()

// pipeline returns a pipeline with the defaults, and with the given changes.
func pipeline(change ...func(*pipelines.Pipeline)) *pipelines.Pipeline {
	p := &pipelines.Pipeline{Dag: dag, Source: dag.Directory().WithNewFile("the-users-repo", ""), Images: pipelines.Images{}.WithDefaults()}
	for _, f := range change {
		f(p)
	}
	return p
}

func withSocket(p *pipelines.Pipeline) {
	p.Docker.Socket = dag.Address("unix:///var/run/docker.sock").Socket()
}
func withService(p *pipelines.Pipeline) {
	p.Docker.Service = dag.Address("tcp://docker:2375").Service()
}
func withPrefix(p *pipelines.Pipeline) { p.Images.Prefix = "harbor.example.com/proxy" }
func withEngine(p *pipelines.Pipeline) { p.Engine = dag.Directory().WithNewFile("an-engine", "") }

func secret() *dagger.Secret { return dag.Secret("env:KEY") }

// idOf returns the id of an object, which is the text of the query that makes it.
func idOf[ID ~string](t *testing.T, id func(context.Context) (ID, error)) string {
	t.Helper()
	text, err := id(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

func verify(t *testing.T, p *pipelines.Pipeline, v pipelines.Verify) string {
	t.Helper()
	v.Run = "a-run"
	c, err := p.Verify(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	return idOf(t, c.ID)
}

func promoted(t *testing.T, p *pipelines.Pipeline, o pipelines.Promote) string {
	t.Helper()
	c, err := p.Promote(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return random.ReplaceAllString(idOf(t, c.ID), "$1 a-name")
}

func generated(t *testing.T, blueprint *dagger.File) string {
	t.Helper()
	c, err := pipeline().Generate(blueprint, secret(), "services")
	if err != nil {
		t.Fatal(err)
	}
	return random.ReplaceAllString(idOf(t, c.ID), "$1 a-name")
}

// random matches the value that is drawn for each call.
var random = regexp.MustCompile(`(name: SEATRIAL_CALL\n\s*value:) [0-9a-f]{8}`)

// asked returns the last query that a call sends.
func asked(t *testing.T, call func() error) string {
	t.Helper()
	if err := call(); err != nil {
		t.Fatal(err)
	}
	return random.ReplaceAllString(last.Load().(string), "$1 a-name") + "\n"
}

// The golden files are the queries for the containers. A change of an image, mount,
// secret or privilege shows as a difference.
func TestContainers(t *testing.T) {
	file := dag.Directory().WithNewFile("a-file", "").File("a-file")
	for name, got := range map[string]string{
		"verify-embedded":   verify(t, pipeline(withEngine), pipelines.Verify{Cluster: pipelines.Embedded, AgeKey: secret(), Path: "clusters/a", Timeout: "5m"}),
		"verify-unconfined": verify(t, pipeline(), pipelines.Verify{Cluster: pipelines.Embedded, Unconfined: true}),
		"verify-kind": verify(t, pipeline(withSocket), pipelines.Verify{
			Cluster: pipelines.Kind, NodeImage: "node:1", KindConfig: file, RegistryMirrors: []string{"docker.io=http://mirror"}}),
		"verify-kind-service": verify(t, pipeline(withService, withPrefix), pipelines.Verify{Cluster: pipelines.Kind, Keep: true}),
		"verify-existing": verify(t, pipeline(), pipelines.Verify{
			Cluster: pipelines.Existing, Kubeconfig: secret(), Kube: dag.Address("tcp://127.0.0.1:6443").Service(), Sources: "live"}),
		"kubeconfig": asked(t, func() error { _, err := pipeline(withSocket).Kubeconfig(t.Context(), "seatrial-run"); return err }),
		"down":       asked(t, func() error { return pipeline(withSocket).Down(t.Context(), "seatrial-run") }),
		"check":      asked(t, func() error { return pipeline().Check(t.Context(), "clusters/a", secret()) }),
		"generate":   generated(t, file),
		"promote": promoted(t, pipeline(withPrefix), pipelines.Promote{
			To: "production", Kubeconfig: secret(), Evidence: file, Policy: file, Token: secret(), AgeKey: secret(), SigningKey: secret(), DryRun: true, OnFailure: "rollback"}),
		"gitea": idOf(t, pipeline(withPrefix).Gitea(secret()).ID),
	} {
		t.Run(name, func(t *testing.T) {
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s", diff.Diff(golden, want, "now", []byte(got)))
			}
		})
	}
}

func TestNothingIsPrivileged(t *testing.T) {
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no golden files")
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, privilege := range []string{"insecureRootCapabilities", "experimentalPrivilegedNesting"} {
			if strings.Contains(string(b), privilege) {
				t.Errorf("%s: %s", file, privilege)
			}
		}
		if docker := strings.Contains(string(b), "docker.sock"); docker && strings.Contains(file, "embedded") {
			t.Errorf("%s has a Docker socket", file)
		}
	}
}

func TestARehearsalOfAnotherNameIsAnother(t *testing.T) {
	var ids []string
	for range 2 {
		c, err := pipeline().Verify(t.Context(), pipelines.Verify{Cluster: pipelines.Embedded})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, idOf(t, c.ID))
	}
	if ids[0] == ids[1] {
		t.Error("two calls share a container: the second rehearsal would be the first one's cached result")
	}
}

func TestRefusals(t *testing.T) {
	for want, v := range map[string]pipelines.Verify{
		"--docker":     {Cluster: pipelines.Kind},
		"--kubeconfig": {Cluster: pipelines.Existing},
		"unknown":      {Cluster: "k3d"},
	} {
		if _, err := pipeline().Verify(t.Context(), v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want an error about %s", v, err, want)
		}
	}
}

// Assert runs a container that fails with the exit code of the failed rehearsal.
func TestAssertFailsWithTheCommandsCode(t *testing.T) {
	c, err := pipeline().Verify(t.Context(), pipelines.Verify{Cluster: pipelines.Embedded, Run: "a-run"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := pipelines.Read(t.Context(), c)
	if err != nil || r.Verdict != "fail" || len(r.Layers) != 1 || r.Layers[0].Status != "failed" {
		t.Errorf("read %+v, %v", r, err)
	}
	asserting := pipelines.Failing(c, 2)
	if text := idOf(t, asserting.ID); !strings.HasSuffix(text, "cat /out/report.txt >&2; exit 2]\n") {
		t.Errorf("asserts with\n%s", text)
	}
}
