package guard

import (
	"strings"
	"testing"
	"time"
)

// The guard reports what takes too much time or memory.
func TestExceeded(t *testing.T) {
	g := &Guard{done: make(chan struct{})}
	g.start = processorTime()
	g.Working("apps", "layers/apps/kustomization.yaml")
	if _, _, why := g.look(); why != "" {
		t.Errorf("at once: %s", why)
	}
	g.began -= Step + time.Second
	if layer, file, why := g.look(); layer != "apps" || file != "layers/apps/kustomization.yaml" || !strings.Contains(why, "processor time") {
		t.Errorf("got %q, %q, %q", layer, file, why)
	}
	g.Working("", "x.yaml") // the next step has its own time
	if _, _, why := g.look(); why != "" {
		t.Errorf("after a new step: %s", why)
	}
	g.start -= All + time.Second
	if _, file, why := g.look(); file != "x.yaml" || !strings.Contains(why, "together") {
		t.Errorf("got %q, %q", file, why)
	}
}

func TestWatchCallsOnceAndStops(t *testing.T) {
	called := make(chan string, 2)
	g := Start(func(_, file, _ string) { called <- file })
	g.Working("", "slow.yaml")
	g.mu.Lock()
	g.began -= 2 * Step
	g.mu.Unlock()
	select {
	case file := <-called:
		if file != "slow.yaml" {
			t.Errorf("got %s", file)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("nothing was said")
	}
	g.Stop()
	if resident() <= 0 {
		t.Error("this process's memory is not known")
	}
}
