package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/sandbox"
)

// sweepKept removes what clusters left that were ended by force.
func sweepKept(dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.kubeconfig"))
	if err != nil {
		return
	}
	for _, file := range files {
		if _, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(file), ".kubeconfig")); err != nil {
			continue // of a cluster that is not a process: seatrial down removes it
		}
		if _, err := os.Stat("/proc/" + strings.TrimSuffix(filepath.Base(file), ".kubeconfig")); err != nil {
			_ = os.Remove(file) // one that can't be removed is tried again next time
		}
	}
}

// stay hands the cluster over to the user. Where it consists of this command's
// own processes, this process goes on alone until it is told to end.
func (v *verify) stay(ctx context.Context, box *sandbox.Sandbox, provider cluster.Provider, cache *engine.Cache, code int) error {
	dir := filepath.Join(filepath.Dir(cache.Dir), "kept")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return errors.Join(err, provider.Down())
	}
	sweepKept(dir)
	kept, err := provider.Keep(ctx)
	if err != nil {
		return errors.Join(err, provider.Down())
	}
	file := keptFile(dir, kept.Name)
	if kept.Kubeconfig != nil {
		if err = os.WriteFile(file, kept.Kubeconfig, 0o600); err == nil {
			v.console.Note("the cluster stays up: export KUBECONFIG=" + file)
		}
	}
	for _, hint := range kept.Hints { // also without the file: how to end it
		v.console.Note(hint)
	}
	if err != nil {
		return err
	}
	if !kept.Ours {
		return exit(code)
	}
	defer os.Remove(file)
	if err := box.Keep(code); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-provider.Failed():
	}
	_ = provider.Down() // nobody is there to be told
	return exit(code)
}

func keptFile(dir, name string) string { return filepath.Join(dir, name+".kubeconfig") }
