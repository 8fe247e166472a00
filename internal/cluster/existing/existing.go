// Package existing is a cluster that is there already: a scratch cluster that
// the user gives, or the one that tier kind has just made.
//
// Everything it needs runs as pods in one namespace of its own, so that nothing
// but the cluster's API has to be reachable: a Gitea, which holds the rehearsed
// tree and the stand-ins, and the flux command, which bootstraps Flux from it.
package existing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/verdict"
)

// Namespace is where everything of a rehearsal runs that is not of the repo.
const Namespace = "seatrial"

// fluxNamespace is where flux bootstrap puts everything.
const fluxNamespace = "flux-system"

// Options are what a rehearsal adds to the cluster.
type Options struct {
	// Images by the names that upstream publishes them under.
	Images Images
	// PackagingGlobalNamespace is used where kapp-controller has to be installed.
	PackagingGlobalNamespace string
	// Run names this rehearsal.
	Run string
	// StandIns says that pods of stand-ins run a stand-in image.
	StandIns bool
	// Kubeconfig is what the user gave, for messages and for use outside.
	Kubeconfig []byte
	// Note tells a person something once.
	Note func(string)
}

// Cluster implements cluster.Provider.
type Cluster struct {
	Options
	config *rest.Config
	client *kube.Client
	policy bool // the API server has mutating admission policies

	host      *host
	bootstrap *bootstrapRun
	failed    chan error
	ends      context.CancelFunc
	// added is what this rehearsal brought and has to take away.
	added     struct{ flux, kapp, any bool }
	protected []string // namespaces that were there before

	mu    sync.Mutex
	spots []string
}

// New prepares to use the cluster that config leads to; nothing is sent yet.
func New(config *rest.Config, o Options) (*Cluster, error) {
	client, err := kube.New(config)
	if err != nil {
		return nil, err
	}
	return &Cluster{Options: o, config: client.Config, client: client, failed: make(chan error, 1)}, nil
}

// Tier implements cluster.Provider.
func (c *Cluster) Tier() string { return "existing" }

// Client implements cluster.Provider.
func (c *Cluster) Client() *kube.Client { return c.client }

// Failed implements cluster.Provider.
func (c *Cluster) Failed() <-chan error { return c.failed }

// Patience implements cluster.Provider: pods need time for images and probes,
// and Flux looks at dependencies every two seconds, or every thirty where it
// can't be told to.
func (c *Cluster) Patience() verdict.Patience {
	if c.policy {
		return verdict.Patience{Retry: 8 * time.Second, Stall: 2 * time.Minute}
	}
	return verdict.Patience{Retry: 40 * time.Second, Stall: 2 * time.Minute}
}

// Kubeconfig implements cluster.Provider.
func (c *Cluster) Kubeconfig() ([]byte, error) { return c.Options.Kubeconfig, nil }

// Labels implements cluster.Provider.
func (c *Cluster) Labels() map[string]string { return map[string]string{RunLabel: c.Run} }

// Redirects implements cluster.Provider.
func (c *Cluster) Redirects() bool { return c.policy }

// BlindSpots implements cluster.Provider.
func (c *Cluster) BlindSpots() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.spots...)
}

func (c *Cluster) blindSpot(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spots = append(c.spots, fmt.Sprintf(format, args...))
}

// Up implements cluster.Provider.
func (c *Cluster) Up(ctx context.Context, planned []cluster.Object) (err error) {
	if err := c.claim(ctx); err != nil {
		return err
	}
	found, err := c.look(ctx, planned)
	if err != nil {
		return err
	}
	if err := found.refuse(); err != nil {
		return err
	}
	c.Note(found.plan())
	return c.furnish(ctx, found)
}

// Furnish puts everything that a rehearsal needs into a cluster that is all its own.
func (c *Cluster) Furnish(ctx context.Context) error {
	return c.furnish(ctx, inventory{})
}

func (c *Cluster) furnish(ctx context.Context, found inventory) (err error) {
	if err := c.addNamespace(ctx); err != nil {
		return err
	}
	alive, ends := context.WithCancel(context.WithoutCancel(ctx))
	if err := c.hold(ctx, alive); err != nil {
		ends()
		return err // nothing here is ours
	}
	c.ends, c.added.any = ends, true
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Down())
		}
	}()
	if err := c.protect(ctx, found.shared); err != nil {
		return err
	}
	if err := c.tune(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		var err error
		c.host, err = c.startHost(ctx, alive)
		return err
	})
	group.Go(func() error { return c.addFlux(ctx) })
	group.Go(func() error { return c.addKappController(ctx, found) })
	group.Go(func() error { return c.addSecretgen(ctx, found) })
	return group.Wait()
}

// Down implements cluster.Provider.
func (c *Cluster) Down() error {
	if !c.added.any {
		return nil
	}
	c.added.any = false
	c.ends()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	return c.remove(ctx)
}

var _ cluster.Provider = (*Cluster)(nil)
