package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/tools/clientcmd"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/platform"
	"seatrial.dev/seatrial/internal/process"
	"seatrial.dev/seatrial/internal/sandbox"
)

// Begin implements cluster.Staged: it has the control plane started, and what needs none.
func (c *Cluster) Begin(ctx context.Context) {
	c.start(ctx, c.startSidecar, func(ctx context.Context) error {
		return c.parts.Run("control plane", func() error { return c.startControlPlane(ctx) })
	})
}

// start has programs started, one after the other; begun waits for that.
func (c *Cluster) start(ctx context.Context, programs ...func(context.Context) error) {
	c.alive, c.ends = context.WithCancel(context.WithoutCancel(ctx))
	ctx = c.untilDown(ctx)
	c.begun = async(func() error {
		if err := c.prepare(); err != nil {
			return err
		}
		for _, program := range programs {
			if err := program(ctx); err != nil {
				return c.broken(err)
			}
		}
		return nil
	})
	c.Sandbox.OnEnd(func() {
		select {
		case <-time.After(endWithin):
		case <-closed(c.end):
		}
	})
}

// endWithin is how long a process that is to end at once waits for its programs.
const endWithin = 2 * time.Second

// broken returns why the group of programs failed, if it has, and err otherwise.
func (c *Cluster) broken(err error) error {
	select {
	case why := <-c.group.Failed():
		return why
	default:
		return err
	}
}

// closed runs f at once, and returns a channel that is closed at its end.
func closed(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	return done
}

// async runs f at once; the returned function waits for its end and returns its error.
func async(f func() error) func() error {
	var err error
	done := closed(func() { err = f() })
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
func (c *Cluster) Up(ctx context.Context, planned []cluster.Object) (err error) {
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
	if err := c.plan(planned); err != nil {
		return err
	}
	c.generates = cluster.NeedsSourceWatcher(planned)
	return c.addParts(c.untilDown(ctx), c.partsOfCluster(), c.group.Failed())
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
// then waits until everything runs. An error in failed ends both.
func (c *Cluster) addParts(ctx context.Context, parts []part, failed <-chan error) error {
	group, ctx := errgroup.WithContext(ctx)
	installed := make(chan error, len(parts))
	var running sync.WaitGroup
	for _, p := range parts {
		running.Add(1)
		group.Go(func() error {
			defer running.Done()
			return c.parts.Run(p.name, func() error {
				err := p.install(ctx)
				installed <- err
				if err != nil || p.start == nil {
					return err
				}
				return p.start(ctx)
			})
		})
	}
	all := closed(running.Wait)
	group.Go(func() error { // report a program that dies at once: the parts would wait for it until they time out
		select {
		case err := <-failed:
			return err
		case <-all:
			return nil
		}
	})
	c.mu.Lock()
	c.complete = group.Wait
	c.mu.Unlock()
	var errs error
	for range parts {
		errs = errors.Join(errs, <-installed)
	}
	if errs != nil {
		return group.Wait() // the first error: others may have followed from it
	}
	return nil
}

// Complete implements cluster.Staged. It ends with the context of Up.
func (c *Cluster) Complete(context.Context) error { return c.complete() }

// end ends all programs, and waits for what is being started.
func (c *Cluster) end() {
	if c.begun == nil {
		return
	}
	c.ends()
	_ = c.begun()
	c.stop()
	c.mu.Lock()
	complete := c.complete
	c.mu.Unlock()
	if complete != nil {
		_ = complete()
	}
}

// prepare makes the group of programs, and begins to watch over their memory.
func (c *Cluster) prepare() (err error) {
	if c.ports, err = choosePorts(c.Sandbox.Namespaces && !c.Sandbox.HostNetwork); err != nil {
		return err
	}
	if c.group, err = process.NewGroup(c.path("logs"), c.Sandbox); err != nil {
		return err
	}
	if err := c.openDoor(); err != nil {
		return fmt.Errorf("open the way out of the sandbox: %w", err)
	}
	watched := make(chan struct{})
	c.unwatch = sync.OnceFunc(func() { close(watched) })
	c.group.LimitMemory(watched)
	return nil
}

// planFile tells the control plane how many objects it is going to be given: how much memory it
// then uses before it collects garbage.
const planFile = "planned"

// plan writes the plan file: first before the control plane starts, then when the repo has been
// read. It is looked at five times a second.
func (c *Cluster) plan(planned []cluster.Object) error {
	return os.WriteFile(c.path(planFile), []byte(strconv.Itoa(len(planned))), 0o644)
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
	if err := c.plan(nil); err != nil {
		return err
	}
	own := c.ports.ofControlPlane()
	spec := process.Spec{
		Name: "controlplane", Program: program, Ready: "ready", Env: c.env("controlplane"),
		Args: []string{
			"--dir", c.path("controlplane", "cluster"), "--port", fmt.Sprint(c.ports.api),
			"--planned", c.path(planFile),
			"--route", fmt.Sprintf("%s/packaging-api=127.0.0.1:%d", kappNamespace, c.ports.packaging),
		},
		Cell: sandbox.Cell{
			Execute: []string{program}, Write: []string{home},
			Read: []string{c.path(planFile)},
			Bind: own, Connect: append([]int{c.ports.packaging}, own...),
		},
	}
	if c.PodSecurity != "" {
		// Tanzu has kapp-controller in a namespace that is exempt, so its own is here.
		exempt := append(slices.Clone(platform.Exempt), kappNamespace)
		spec.Args = append(spec.Args, "--pod-security", c.PodSecurity+":"+strings.Join(exempt, ","))
	}
	if c.seeded() {
		spec.Args = append(spec.Args, "--state", c.Engine.Seed())
		spec.Cell.Read = append(spec.Cell.Read, c.Engine.Seed())
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
