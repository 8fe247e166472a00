package rehearse

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/finding"
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
