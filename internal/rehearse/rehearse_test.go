package rehearse

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/verdict"
)

// provider is a cluster whose Up fails. Methods that a rehearsal must not call panic.
type provider struct {
	cluster.Provider
	planned []cluster.Object
}

func (p *provider) Tier() string { return "test" }

func (p *provider) Up(_ context.Context, planned []cluster.Object) error {
	p.planned = planned
	return errors.New("no cluster today")
}

// console records what it is told.
type console struct {
	said []string
}

func (c *console) Step(title string) func(error) {
	return func(err error) {
		if err != nil {
			title += ": " + err.Error()
		}
		c.said = append(c.said, title)
	}
}
func (c *console) Note(text string)                       { c.said = append(c.said, "note: "+text) }
func (c *console) Conceal(func(string) string)            { c.said = append(c.said, "conceal") }
func (c *console) Layers([]*verdict.Layer, time.Duration) {}

// Steps are reported in order, and none follows one that failed. Up gets the objects
// that the repo declares, and the Secrets that its layers decrypt with.
func TestStepsEndWithTheFirstError(t *testing.T) {
	secret, key := encrypted(t)
	o := taken(t, files(t, map[string]string{"clusters/a/layers.yaml": layerYAML, "secrets/s.yaml": secret}))
	o.Key = key
	p, c := &provider{}, &console{}
	r, err := Run(t.Context(), Options{Subject: o}, p, c)
	if r != nil || err == nil || err.Error() != "no cluster today" {
		t.Fatalf("got %v, %v", r, err)
	}
	want := []string{"conceal", "read the repo", "boot the cluster: no cluster today"}
	if got := slices.DeleteFunc(c.said, func(s string) bool { return strings.HasPrefix(s, "note: rehearsing") }); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	var planned []string
	for _, o := range p.planned {
		planned = append(planned, o.String())
	}
	if want := "Kustomization flux-system/secrets, Secret web/s, Secret flux-system/sops-age"; strings.Join(planned, ", ") != want {
		t.Errorf("got %v, want %s", planned, want)
	}
}

// For a repo that can't be read completely, no cluster is started; the report is complete
// all the same.
func TestTooLargeIsNotRehearsed(t *testing.T) {
	deep := strings.Repeat("[", 500) + strings.Repeat("]", 500)
	o := taken(t, files(t, map[string]string{"clusters/a/layers.yaml": layerYAML, "secrets/deep.yaml": "a: " + deep + "\n"}))
	p, c := &provider{}, &console{}
	r, err := Run(t.Context(), Options{Subject: o}, p, c)
	if err != nil || p.planned != nil {
		t.Fatalf("got %v; a cluster was started for %v", err, p.planned)
	}
	if last := c.said[len(c.said)-1]; !strings.HasPrefix(last, "read the repo: ") {
		t.Errorf("the reading ends as %q", last)
	}
	if r.Verdict != verdict.Fail || len(r.Findings) == 0 || r.Findings[0].Code != finding.TooLarge || r.Tree != o.Snapshot.Tree {
		t.Errorf("got %+v", r)
	}
}

// staged is a cluster that is brought up in stages, on which nothing is redirected. It notes
// what is asked of it.
type staged struct {
	cluster.Provider
	client *kube.Client
	mu     sync.Mutex
	calls  []string
	failed error // what Complete returns
	// published is closed when Publish is called; hangs has Publish wait for the end of its context.
	published chan struct{}
	hangs     bool
}

func (s *staged) note(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
}
func (s *staged) Tier() string              { return "test" }
func (s *staged) Labels() map[string]string { return nil }
func (s *staged) Redirects() bool           { return false }
func (s *staged) Phases() map[string]float64 {
	return map[string]float64{"Flux": 1, "kapp-controller": 2}
}
func (s *staged) Client() *kube.Client                       { return s.client }
func (s *staged) Begin(context.Context)                      { s.note("Begin") }
func (s *staged) Up(context.Context, []cluster.Object) error { s.note("Up"); return nil }
func (s *staged) Complete(context.Context) error {
	<-s.published
	return s.failed
}
func (s *staged) Down() error { s.note("Down"); return nil }
func (s *staged) Publish(ctx context.Context, _ *gitrepo.Snapshot) (cluster.Remote, error) {
	s.note("Publish")
	close(s.published)
	if s.hangs {
		<-ctx.Done()
		return cluster.Remote{}, ctx.Err()
	}
	return cluster.Remote{}, nil
}
func (s *staged) Bootstrap(context.Context, cluster.Sync) (*gitrepo.Snapshot, []gitrepo.Change, error) {
	s.note("Bootstrap")
	return nil, nil, errors.New("no Flux today")
}

// A cluster in stages begins before the repo is read, and Flux is bootstrapped only when its
// controllers run: why one does not ends what is done meanwhile. Nothing follows if the repo is too large for a rehearsal.
func TestStages(t *testing.T) {
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"gitVersion":"v1.0.0"}`)
	}))
	defer h.Close()
	client, err := kube.New(&rest.Config{Host: h.URL})
	if err != nil {
		t.Fatal(err)
	}
	deep := "a: " + strings.Repeat("[", 500) + strings.Repeat("]", 500) + "\n"
	plain := layerYAML[:strings.Index(layerYAML, "  decryption:")] // no keys to give to this cluster
	healthy := map[string]string{"clusters/a/layers.yaml": plain, "secrets/s.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: s, namespace: web}}\n"}
	for _, c := range []struct {
		files        map[string]string
		failed       error
		hangs        bool
		calls, fails string
	}{
		{healthy, nil, false, "Begin Up Publish Bootstrap", "no Flux today"},
		{healthy, errors.New("kapp-controller ended"), false, "Begin Up Publish", "kapp-controller ended"},
		{healthy, errors.New("the control plane ended"), true, "Begin Up Publish", "the control plane ended"},
		{map[string]string{"clusters/a/layers.yaml": layerYAML, "secrets/deep.yaml": deep}, nil, false, "Begin", ""},
		{map[string]string{"a.yaml": "a: b\n"}, nil, false, "Begin", "found no cluster"},
	} {
		s := &staged{client: client, failed: c.failed, hangs: c.hangs, published: make(chan struct{})}
		_, err := Run(t.Context(), Options{Subject: taken(t, files(t, c.files)), Sources: egress.Live, Versions: map[string]string{}}, s, &console{})
		if got := strings.Join(s.calls, " "); got != c.calls {
			t.Errorf("got %s, want %s", got, c.calls)
		}
		if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: got %v, want %q", c.calls, err, c.fails)
		}
	}
}
