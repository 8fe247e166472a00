package embedded

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/tools/clientcmd"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/process"
	"seatrial.dev/seatrial/internal/sandbox"
)

// Begin implements cluster.Staged: it has the control plane started, and what needs none.
func (c *Cluster) Begin(ctx context.Context) {
	c.alive, c.ends = context.WithCancel(context.WithoutCancel(ctx))
	ctx = c.untilDown(ctx)
	c.begun = async(func() error {
		if err := c.prepare(); err != nil {
			return err
		}
		if err := c.startSidecar(ctx); err != nil {
			return err
		}
		return c.parts.Run("control plane", func() error { return c.startControlPlane(ctx) })
	})
}

// async runs f at once; the returned function waits for its end and returns its error.
func async(f func() error) func() error {
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = f()
	}()
	return func() error { <-done; return err }
}

// untilDown returns a context that ends with ctx, or when the cluster does.
func (c *Cluster) untilDown(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(c.alive, cancel)
	return ctx
}

// Up implements cluster.Provider, in part: see cluster.Staged. The control plane must be
// ready within one minute of Begin.
func (c *Cluster) Up(ctx context.Context, _ []cluster.Object) (err error) {
	if c.begun == nil {
		c.Begin(ctx)
	}
	defer func() {
		if err != nil {
			_ = c.Down()
		}
	}()
	if err := c.begun(); err != nil {
		return err
	}
	c.openWebhooks(c.alive)
	return c.addParts(c.untilDown(ctx))
}

// part is something that is added to the control plane: what it installs, and what it starts.
type part struct {
	name           string
	install, start func(context.Context) error
}

func (c *Cluster) partsOfCluster() []part {
	return []part{
		{"nodes", c.installMachines, nil},
		{"Flux", c.installFlux, c.startFlux},
		{"kapp-controller", c.installKappController, c.startKappController},
	}
}

// addParts adds all parts side by side. It returns when everything is installed; complete
// then waits until everything runs.
func (c *Cluster) addParts(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	var installed, running sync.WaitGroup
	for _, p := range c.partsOfCluster() {
		installed.Add(1)
		running.Add(1)
		group.Go(func() error {
			defer running.Done()
			return c.parts.Run(p.name, func() error {
				err := p.install(ctx)
				installed.Done()
				if err != nil || p.start == nil {
					return err
				}
				return p.start(ctx)
			})
		})
	}
	complete := make(chan struct{})
	go func() { running.Wait(); close(complete) }()
	group.Go(func() error { // report a program that dies at once: the parts would wait for it until they time out
		select {
		case err := <-c.group.Failed():
			return err
		case <-complete:
			return nil
		}
	})
	c.complete = group.Wait
	installed.Wait()
	if ctx.Err() != nil {
		return group.Wait()
	}
	return nil
}

// Complete implements cluster.Staged.
func (c *Cluster) Complete(context.Context) error { return c.complete() }

// prepare makes the group of programs, and begins to watch over their memory.
func (c *Cluster) prepare() (err error) {
	if c.ports, err = choosePorts(c.Sandbox.Namespaces); err != nil {
		return err
	}
	if c.group, err = process.NewGroup(c.path("logs"), c.Sandbox); err != nil {
		return err
	}
	watched := make(chan struct{})
	c.unwatch = sync.OnceFunc(func() { close(watched) })
	c.Sandbox.OnEnd(c.stop)
	c.group.LimitMemory(watched)
	return nil
}

// startControlPlane starts Kubernetes, and returns when it serves.
func (c *Cluster) startControlPlane(ctx context.Context) error {
	program, err := c.Engine.Binary("controlplane")
	if err != nil {
		return err
	}
	home, err := c.home("controlplane", "cluster")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	own := c.ports.ofControlPlane()
	spec := process.Spec{
		Name: "controlplane", Program: program, Ready: "ready", Env: c.env("controlplane"),
		Args: []string{
			"--dir", c.path("controlplane", "cluster"), "--port", fmt.Sprint(c.ports.api),
			"--route", fmt.Sprintf("%s/packaging-api=127.0.0.1:%d", kappNamespace, c.ports.packaging),
		},
		Cell: sandbox.Cell{
			Execute: []string{program}, Write: []string{home},
			Bind: own, Connect: append([]int{c.ports.packaging}, own...),
		},
	}
	if c.seeded() {
		spec.Args = append(spec.Args, "--state", c.Engine.Seed())
		spec.Cell.Read = []string{c.Engine.Seed()}
	}
	err = c.group.Start(ctx, spec)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.adminKubeconfig())
	if err != nil {
		return err
	}
	c.client, err = kube.New(config)
	return err
}
