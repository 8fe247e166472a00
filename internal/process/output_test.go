package process

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// Start waits for the ready line, which must be a whole line on stdout.
func TestReady(t *testing.T) {
	g := group(t)
	s := script("tool", "echo not ready; echo ready >&2; sleep 0.3; printf rea; sleep 0.1; echo dy; sleep 60")
	s.Ready = "ready"
	start := time.Now()
	if err := g.Start(soon(t), s); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 400*time.Millisecond {
		t.Errorf("it was ready after %s", took)
	}
	if got := g.Tail("tool", 20); strings.Count(got, "ready\n") != 2 || !strings.HasSuffix(got, "\nready") {
		t.Errorf("the log has %q", got) // stdout and stderr
	}
}

func TestNeverReady(t *testing.T) {
	g := group(t)
	s := script("tool", "echo no port is free; exit 1")
	s.Ready = "ready"
	if err := g.Start(soon(t), s); err == nil || err.Error() != "tool ended before it was ready:\nno port is free" {
		t.Errorf("got %v", err)
	}
	s.Args[1] = "sleep 60"
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := g.Start(ctx, s); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
	if err := g.Start(soon(t), Spec{Name: "none", Program: "/no/such/program"}); err == nil || !strings.HasPrefix(err.Error(), "start none: ") {
		t.Errorf("got %v", err)
	}
}

func TestTail(t *testing.T) {
	g := group(t)
	long := strings.Repeat("x", 10_000)
	for name, c := range map[string]struct {
		log   string
		lines int
		want  string
	}{
		"empty": {"", 2, ""}, "fewer": {"a\n", 2, "a"}, "more": {"a\nb\nc\n", 2, "b\nc"}, "no end": {"a\nb\nc", 2, "b\nc"}, "empty lines": {"a\n\nb\n\n", 2, "\nb"},
		// A cut-off line may hold part of a secret value, which redaction would not recognise.
		"cut off": {"a\n" + long + "\n" + long + "\nb\n", 9, long + "\nb"}, "one long line": {long + long, 9, ""},
	} {
		if err := os.WriteFile(g.logFile(name), []byte(c.log), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := g.Tail(name, c.lines); got != c.want {
			t.Errorf("%s: got %d bytes, %.40q, want %.40q", name, len(got), got, c.want)
		}
	}
	if got := g.Tail("never started", 2); got != "" {
		t.Errorf("got %q", got)
	}
}
