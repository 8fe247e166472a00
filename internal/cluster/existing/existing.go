// Package existing rehearses in a cluster that exists already: a scratch cluster that
// the user gives, or the one that the tier kind has just made.
//
// Everything it needs runs as pods in one namespace of its own, so that nothing
// but the cluster's API has to be reachable: a Gitea, which holds the rehearsed
// tree and the stand-ins, and the flux command, which bootstraps Flux from it.
package existing

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/verdict"
)

// Namespace is where everything of a rehearsal runs that is not of the repo.
const Namespace = "seatrial"

// fluxNamespace is where flux bootstrap puts everything.
const fluxNamespace = "flux-system"

// Options are what a rehearsal adds to the cluster.
type Options struct {
	// Images are the images of the rehearsal's own pods, by the names that upstream
	// publishes them under.
	Images Images
	// PackagingGlobalNamespace is kapp-controller's packaging global namespace, if
	// kapp-controller has to be installed.
	PackagingGlobalNamespace string
	// Run names this rehearsal.
	Run string
	// StandIns says that pods of stand-ins run a stand-in image.
	StandIns bool
	// Kubeconfig is the kubeconfig that leads to the cluster.
	Kubeconfig []byte
	// Note tells a person something once.
	Note func(string)
	// Progress tells of the parts of Up.
	Progress *cluster.Phases
}

// Cluster implements cluster.Provider.
type Cluster struct {
	Options
	config *rest.Config
	client *kube.Client
	policy bool // the API server serves MutatingAdmissionPolicy

	host      *host
	bootstrap *bootstrapRun
	failed    chan error
	ends      context.CancelFunc
	planned   []cluster.Object // what the repo declares
	furnished bool             // Down has something to remove
	synced    bool             // Flux syncs, so this process needs no connection to Gitea any more

	mu    sync.Mutex
	spots []finding.BlindSpot
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

// Patience suits a cluster that is real, whose Flux looks at dependencies every thirty seconds.
var Patience = verdict.Patience{Retry: 40 * time.Second, Stall: 6 * time.Minute, Settle: 8 * time.Second}

// Patience implements cluster.Provider. Retry is longer than the interval at which Flux
// looks at dependencies: two seconds, or thirty where no policy can shorten it. Stall is
// longer than Flux's own time limit for a release (5 minutes), as nothing of Flux changes
// while pods pull images and wait for probes. Settle gives operators time to report on
// the objects that they control.
func (c *Cluster) Patience() verdict.Patience {
	p := Patience
	if c.policy {
		p.Retry = 8 * time.Second
	}
	return p
}

// Keep implements cluster.Provider: Down then removes nothing.
func (c *Cluster) Keep(context.Context) (cluster.Kept, error) {
	c.furnished = false
	return cluster.Kept{Hints: []string{"the rehearsal stays in the cluster; the next one removes it"}}, nil
}

// Phases implements cluster.Provider.
func (c *Cluster) Phases() map[string]float64 { return c.Progress.Seconds() }

// Labels implements cluster.Provider.
func (c *Cluster) Labels() map[string]string { return map[string]string{RunLabel: c.Run} }

// Redirects implements cluster.Provider.
func (c *Cluster) Redirects() bool { return c.policy }

// BlindSpots implements cluster.Provider.
func (c *Cluster) BlindSpots() []finding.BlindSpot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]finding.BlindSpot(nil), c.spots...)
}

func (c *Cluster) blindSpot(code finding.Blind, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spots = append(c.spots, finding.Unseen(code, format, args...))
}

// Up implements cluster.Provider.
func (c *Cluster) Up(ctx context.Context, planned []cluster.Object) error {
	c.planned = planned
	found, err := c.look(ctx, planned)
	if err != nil {
		return err
	}
	if found.left != "" {
		if err := c.clear(ctx, found.left); err != nil {
			return err
		}
		if found, err = c.look(ctx, planned); err != nil {
			return err
		}
	}
	if err := found.refuse(); err != nil {
		return err
	}
	c.Note(found.plan())
	if err := c.furnish(ctx, found); err != nil {
		return errors.Join(err, c.Down())
	}
	return nil
}

// Furnish adds everything that a rehearsal needs to a cluster that is the rehearsal's
// own, and that is removed as a whole. planned are the objects that the repo declares.
func (c *Cluster) Furnish(ctx context.Context, planned []cluster.Object) error {
	c.planned = planned
	return c.furnish(ctx, contents{})
}

func (c *Cluster) furnish(ctx context.Context, found contents) error {
	if err := c.makeNamespace(ctx, Namespace, map[string]string{"pod-security.kubernetes.io/enforce": "baseline"}); err != nil {
		return err
	}
	alive, ends := context.WithCancel(context.WithoutCancel(ctx))
	c.ends = ends
	if err := c.hold(ctx, alive); err != nil {
		ends()
		return err // there is nothing of ours to remove, or only the namespace, which the next run clears
	}
	c.furnished = true
	if err := c.addAccount(ctx); err != nil {
		return err
	}
	if err := c.tune(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for name, part := range map[string]func() error{
		"start Gitea": func() error {
			var err error
			c.host, err = c.startHost(ctx, alive)
			return err
		},
		"install Flux":                 func() error { return c.addFlux(ctx) },
		"install kapp-controller":      func() error { return c.addKappController(ctx, found) },
		"install secretgen-controller": func() error { return c.addSecretgen(ctx, found) },
	} {
		group.Go(func() error { return c.Progress.Run(name, part) })
	}
	return group.Wait()
}

// Down implements cluster.Provider. It renews the lease until everything is removed,
// and gives up after 10 minutes.
func (c *Cluster) Down() error {
	if !c.furnished {
		return nil
	}
	c.furnished = false
	c.mu.Lock()
	c.synced = true // a connection that ends now is no failure
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	defer c.ends()
	return c.remove(ctx)
}

var _ cluster.Provider = (*Cluster)(nil)
