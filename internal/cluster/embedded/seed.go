package embedded

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"seatrial.dev/seatrial/internal/sandbox"
)

// settledWithin is how long the pods of what was installed may take to run.
const settledWithin = time.Minute

// Seed boots a cluster, installs what every rehearsal needs, and returns the state of the
// cluster when all of that is at rest. No controller but Kubernetes' own runs, and nothing
// of any repo comes near. The cluster stays up until Down.
func (c *Cluster) Seed(ctx context.Context) ([]byte, error) {
	c.PackagingGlobalNamespace = seedNamespace
	c.start(ctx, c.startControlPlane)
	if err := c.begun(); err != nil {
		return nil, err
	}
	if err := c.installMachines(ctx); err != nil {
		return nil, err
	}
	if err := c.installFlux(ctx); err != nil {
		return nil, err
	}
	always, once, err := c.kappObjects()
	if err != nil {
		return nil, err
	}
	always = slices.DeleteFunc(always, isAPIService)
	if err := c.install(ctx, append(once, always...)); err != nil {
		return nil, err
	}
	if err := c.settle(ctx); err != nil {
		return nil, err
	}
	return c.state(ctx)
}

// settle returns when all nodes are ready and all pods run.
func (c *Cluster) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settledWithin)
	defer cancel()
	for {
		open, err := c.unsettled(ctx)
		if err == nil && open == "" {
			return nil
		}
		select {
		case err := <-c.group.Failed():
			return err
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("%s is not ready after %s", open, settledWithin)
			}
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// unsettled names a node or Deployment that is not ready, or returns "".
func (c *Cluster) unsettled(ctx context.Context) (string, error) {
	nodes, err := c.client.Typed.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	for _, n := range nodes.Items {
		ready := false
		for _, condition := range n.Status.Conditions {
			ready = ready || condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue
		}
		if !ready || len(n.Spec.Taints) > 0 {
			return "node " + n.Name, nil
		}
	}
	deployments, err := c.client.Typed.AppsV1().Deployments("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	for _, d := range deployments.Items {
		if d.Status.ObservedGeneration != d.Generation || d.Status.AvailableReplicas < 1 {
			return "Deployment " + d.Namespace + "/" + d.Name, nil
		}
	}
	return "", nil
}

// state has the control plane's program write down what etcd holds.
func (c *Cluster) state(ctx context.Context) ([]byte, error) {
	program, err := c.Engine.Binary("controlplane")
	if err != nil {
		return nil, err
	}
	home, err := c.home("save")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(home, "state")
	cmd := exec.CommandContext(ctx, program, "--save", file, "--port", fmt.Sprint(c.ports.api))
	cmd.Env = c.env("save")
	cell := sandbox.Cell{Execute: []string{program}, Write: []string{home}, Connect: c.ports.ofControlPlane()}
	if err := c.Sandbox.Run(cmd, cell); err != nil {
		return nil, fmt.Errorf("save the state of the cluster: %w", err)
	}
	return os.ReadFile(file)
}
