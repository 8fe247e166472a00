package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/cluster/existing"
	"seatrial.dev/seatrial/internal/cluster/kind"
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
	kubeconfig, err := provider.Kubeconfig()
	if err != nil {
		return err
	}
	dir := filepath.Join(filepath.Dir(cache.Dir), "kept")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	sweepKept(dir)
	switch p := provider.(type) {
	case *kind.Cluster:
		if err := p.Keep(ctx); err != nil {
			return err
		}
		file := keptFile(dir, p.Name())
		if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
			return err
		}
		v.console.Note("the cluster stays up: export KUBECONFIG=" + file)
		v.console.Note("its Gitea: kubectl -n " + existing.Namespace + " port-forward svc/gitea 3000")
		v.console.Note("end it with: seatrial down " + p.Name())
		return exit(code)
	case *existing.Cluster:
		v.console.Note("the rehearsal stays in the cluster; the next one removes it")
		return exit(code)
	}
	pid := box.HostPID()
	file := keptFile(dir, fmt.Sprint(pid))
	if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
		return err
	}
	defer os.Remove(file)
	v.console.Note("the cluster stays up: export KUBECONFIG=" + file)
	v.console.Note(fmt.Sprintf("end it with: kill %d", pid))
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
