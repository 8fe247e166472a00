package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"seatrial.dev/seatrial/internal/docker"
)

const (
	namePrefix = "seatrial-"
	// runLabel is on networks, and leaseLabel on leases; both name the run.
	runLabel   = "seatrial.dev/run"
	leaseLabel = "seatrial.dev/lease"
	kindLabel  = "io.x-k8s.kind.cluster"
)

// lease is a container that lives as long as this process: it reads from a pipe of this
// process, and Docker closes the pipe however this process ends. A cluster without a
// running lease belongs to no run, and may be removed.
type lease struct {
	in   io.Closer
	wait func() error
}

func takeLease(ctx context.Context, d docker.Client, run, image string) (io.Closer, error) {
	name := namePrefix + run + "-lease"
	cmd := d.Command(context.WithoutCancel(ctx), "run", "--rm", "--interactive", "--network", "none", "--name", name,
		"--label", leaseLabel+"="+run, "--entrypoint", "cat", image)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	var trouble strings.Builder
	cmd.Stderr = &trouble
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	l := &lease{in: in, wait: func() error { return <-ended }}
	for {
		alive, err := leases(ctx, d)
		if err == nil && slices.Contains(alive, run) {
			return l, nil
		}
		select {
		case err := <-ended:
			return nil, fmt.Errorf("start the lease: %w: %s", err, strings.TrimSpace(trouble.String()))
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), l.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// watch is a process in a node that powers the node off when this process is gone. What
// is left of the cluster then takes disk space only, until the next rehearsal removes it.
type watch struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

func watchNode(ctx context.Context, d docker.Client, node string) (*watch, error) {
	script := `read -r word; [ "$word" = stay ] || { systemctl stop kubelet; systemctl poweroff --force; }`
	// kind has Docker restart a node that ends with an error, as this one would when it
	// is powered off.
	if _, err := d.Output(ctx, "update", "--restart", "no", node); err != nil {
		return nil, err
	}
	w := &watch{cmd: d.Command(context.Background(), "exec", "--interactive", node, "bash", "-c", script)}
	var err error
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return w, w.cmd.Start()
}

// stay lets the node outlive this process.
func (w *watch) stay() error {
	if _, err := io.WriteString(w.in, "stay\n"); err != nil {
		return err
	}
	return errors.Join(w.in.Close(), w.cmd.Wait())
}

// end ends the watch after its node was removed.
func (w *watch) end() {
	_ = w.in.Close()
	_ = w.cmd.Process.Kill() // it may have ended with its node
	_ = w.cmd.Wait()
}

// Close implements io.Closer.
func (l *lease) Close() error { return errors.Join(l.in.Close(), l.wait()) }

// keepLease starts a lease that lives on without this process.
func keepLease(ctx context.Context, d docker.Client, run, image string) error {
	_, err := d.Output(ctx, "run", "--detach", "--network", "none", "--name", namePrefix+run+"-kept",
		"--label", leaseLabel+"="+run, "--entrypoint", "tail", image, "-f", "/dev/null")
	return err
}

// leases lists the names of the runs that have a running lease.
func leases(ctx context.Context, d docker.Client) ([]string, error) {
	return d.Lines(ctx, "ps", "--filter", "label="+leaseLabel, "--filter", "status=running", "--format", `{{.Label "`+leaseLabel+`"}}`)
}

// Clusters lists the names of the rehearsal clusters of a Docker engine, with or
// without a running lease. A cluster is known by the label of its network, which is
// made before its nodes and removed after them.
func Clusters(ctx context.Context, d docker.Client) ([]string, error) {
	return d.Lines(ctx, "network", "ls", "--filter", "label="+runLabel, "--filter", "name=^"+namePrefix, "--format", "{{.Name}}")
}

// Sweep removes the clusters that have no running lease, and calls note for each.
func Sweep(ctx context.Context, d docker.Client, note func(string)) error {
	clusters, err := Clusters(ctx, d)
	if err != nil || len(clusters) == 0 {
		return err
	}
	alive, err := leases(ctx, d)
	if err != nil {
		return err
	}
	for _, name := range clusters {
		if slices.Contains(alive, strings.TrimPrefix(name, namePrefix)) {
			continue
		}
		note("removing " + name + ", which a rehearsal left that was killed")
		if err := Remove(ctx, d, name); err != nil {
			return err
		}
	}
	return nil
}

// Remove removes the nodes, the network and the kept lease of a cluster, as far as they
// exist. A name without the prefix of rehearsal clusters is an error.
func Remove(ctx context.Context, d docker.Client, name string) error {
	if !strings.HasPrefix(name, namePrefix) {
		return fmt.Errorf("%s is not a rehearsal's cluster: their names begin with %s", name, namePrefix)
	}
	if err := removeNodes(ctx, d, name); err != nil {
		return err
	}
	networks, err := d.Lines(ctx, "network", "ls", "--filter", "label="+runLabel+"="+strings.TrimPrefix(name, namePrefix), "--format", "{{.ID}}")
	if err != nil {
		return err
	}
	for _, id := range networks {
		if _, err := d.Output(ctx, "network", "rm", id); err != nil {
			return err
		}
	}
	kept, err := d.Lines(ctx, "ps", "--all", "--quiet", "--filter", "name=^"+name+"-kept$")
	if err != nil || len(kept) == 0 {
		return err
	}
	_, err = d.Output(ctx, append([]string{"rm", "--force", "--volumes"}, kept...)...)
	return err
}

func removeNodes(ctx context.Context, d docker.Client, name string) error {
	nodes, err := d.Lines(ctx, "ps", "--all", "--quiet", "--filter", "label="+kindLabel+"="+name)
	if err != nil || len(nodes) == 0 {
		return err
	}
	for _, node := range nodes {
		// A kubelet that starts a pod while its node is removed can leave a
		// container behind that can't be killed (cgroup v1). A node that is not
		// up has none to stop.
		stop, cancel := context.WithTimeout(ctx, 10*time.Second)
		_, _ = d.Output(stop, "exec", node, "systemctl", "stop", "kubelet")
		cancel()
	}
	_, err = d.Output(ctx, append([]string{"rm", "--force", "--volumes"}, nodes...)...)
	return err
}
