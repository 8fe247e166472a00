package tool

import (
	"os"
	"path/filepath"
	"testing"

	"seatrial.dev/seatrial/internal/hint"
)

func TestTool(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	probe := Tool{Name: "probe", Version: []string{"--version"}, Install: "install probe"}
	if _, err := probe.Ask(t.Context()); err == nil || err.Error() != "probe is not on PATH" || hint.Of(err) != "install probe" {
		t.Errorf("got %v, hint %q", err, hint.Of(err))
	}
	write := func(script string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "probe"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(`echo "probe $1 1.2"; echo more`)
	if got, err := probe.Ask(t.Context()); got != "probe --version 1.2" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	write("exit 3")
	if _, err := probe.Ask(t.Context()); err == nil || hint.Of(err) != "install probe" {
		t.Errorf("a program that fails: got %v", err)
	}
}
