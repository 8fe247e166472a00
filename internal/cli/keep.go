package cli

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/sandbox"
)

// sweepKept removes the kubeconfigs of kept embedded clusters whose process no longer
// runs, because it was killed.
func sweepKept(dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.kubeconfig"))
	if err != nil {
		return
	}
	for _, file := range files {
		if _, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(file), ".kubeconfig")); err != nil {
			continue // a kind cluster's: seatrial down removes it
		}
		if _, err := os.Stat("/proc/" + strings.TrimSuffix(filepath.Base(file), ".kubeconfig")); err != nil {
			_ = os.Remove(file) // one that can't be removed is tried again next time
		}
	}
}

// stay hands the cluster over to the user. Where it consists of this command's
// own processes, this process goes on alone until it is told to end.
func (v *verify) stay(ctx context.Context, box *sandbox.Sandbox, provider cluster.Provider, code int) error {
	kept, err := provider.Keep(ctx)
	if err != nil {
		return errors.Join(err, provider.Down())
	}
	b, err := json.Marshal(kept)
	if err == nil {
		err = box.Hand(parcelKept, "", b)
	}
	if err != nil {
		return errors.Join(err, provider.Down())
	}
	if !kept.Ours {
		return exit(code)
	}
	if err := box.Keep(code); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-provider.Failed():
	}
	_ = provider.Down() // the outer process is gone, so nobody reads the error
	return exit(code)
}

// writeKept writes a kept cluster's kubeconfig into the cache, and tells the user how
// to reach and end the cluster. pid is the inner process: a cluster of our own
// processes ends with it.
func (v *verify) writeKept(kept cluster.Kept, pid int) error {
	if kept.Ours {
		kept.Name = strconv.Itoa(pid)
		kept.Hints = append(kept.Hints, "end it with: kill "+kept.Name)
	}
	err := v.writeKubeconfig(kept, pid)
	for _, hint := range kept.Hints { // even if there is no file: the user has to know how to end the cluster
		v.console.Note(hint)
	}
	return err
}

func (v *verify) writeKubeconfig(kept cluster.Kept, pid int) error {
	if kept.Kubeconfig == nil {
		return nil
	}
	dir, err := keptDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	sweepKept(dir)
	file := keptFile(dir, kept.Name)
	if err := os.WriteFile(file, kept.Kubeconfig, 0o600); err != nil {
		return err
	}
	v.console.Note("the cluster stays up: export KUBECONFIG=" + file)
	if kept.Ours {
		return sandbox.RemoveAtEnd(pid, file)
	}
	return nil
}

// keptDir is the folder of kept clusters' kubeconfigs.
func keptDir() (string, error) {
	dir, err := engine.CacheDir()
	return filepath.Join(dir, "kept"), err
}

func keptFile(dir, name string) string { return filepath.Join(dir, name+".kubeconfig") }
