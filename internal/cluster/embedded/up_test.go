package embedded

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/sandbox"
)

func nothing(context.Context) error { return nil }

func untilEnd(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// An install that fails is reported by what waits for installs, whichever comes last.
func TestFailedInstallIsReported(t *testing.T) {
	want := errors.New("no such kind")
	for range 2000 {
		c := &Cluster{}
		err := c.addParts(t.Context(), []part{
			{"a", nothing, untilEnd}, {"b", nothing, nil},
			{"c", func(context.Context) error { return want }, nothing},
		}, nil)
		if !errors.Is(err, want) {
			t.Fatalf("got %v", err)
		}
	}
}

// Parts that are installed are served while they start; a program that ends meanwhile is why
// the cluster is not complete, and the other parts are not waited for.
func TestCompleteTellsWhichProgramEnded(t *testing.T) {
	failed := make(chan error, 1)
	c := &Cluster{}
	if err := c.addParts(t.Context(), []part{{"a", nothing, untilEnd}, {"b", nothing, nil}}, failed); err != nil {
		t.Fatal(err)
	}
	want := errors.New("a ended")
	failed <- want
	if err := c.Complete(t.Context()); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}

// Down ends what is being started, and waits for its end.
func TestEndWaitsForWhatStarts(t *testing.T) {
	c := &Cluster{begun: func() error { return nil }}
	c.alive, c.ends = context.WithCancel(t.Context())
	ended := false
	start := func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(50 * time.Millisecond)
		ended = true
		return ctx.Err()
	}
	if err := c.addParts(c.untilDown(t.Context()), []part{{"a", nothing, start}}, nil); err != nil {
		t.Fatal(err)
	}
	c.end()
	if !ended {
		t.Error("a part was still starting")
	}
}

// The control plane is told how many objects are planned.
func TestPlanIsTold(t *testing.T) {
	c := New(Options{Sandbox: &sandbox.Sandbox{Dir: t.TempDir()}})
	if err := c.plan(make([]cluster.Object, 131)); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(c.path(planFile)); err != nil || string(b) != "131" {
		t.Errorf("got %q, %v", b, err)
	}
}
