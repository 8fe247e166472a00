// Package kind rehearses in a kind cluster, made of containers: a real kubelet runs
// real pods, and the flux command bootstraps Flux as on a permanent cluster.
//
// It needs a Docker endpoint and nothing else: the API server is reached through
// docker exec, so the endpoint may be the socket of this machine, one that was
// handed into a container, or another machine.
package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	kindcluster "sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
	"sigs.k8s.io/kind/pkg/exec"
	"sigs.k8s.io/kind/pkg/log"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/cluster/existing"
	"seatrial.dev/seatrial/internal/docker"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/kube"
)

// Options are what a cluster is made from.
type Options struct {
	existing.Options
	Docker docker.Client
	// NodeImage is kind's node image.
	NodeImage string
	// Config is a kind configuration to build on; may be empty.
	Config []byte
	// Mirrors are the URLs of the mirrors that nodes ask first, by registry.
	Mirrors map[string]string
	// Load are images that the nodes get, if the Docker engine has them.
	Load []string
	// State is a private folder, for kind's kubeconfig.
	State string
}

// NodeImage is the default node image.
//
// renovate: datasource=docker depName=kindest/node
const NodeImage = "docker.io/kindest/node:v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed"

// Cluster implements cluster.Provider.
type Cluster struct {
	*existing.Cluster
	o     Options
	kind  *kindcluster.Provider
	lease io.Closer
	ends  context.CancelFunc
	watch *watch
	made  bool
	kept  bool
}

// New prepares a cluster; nothing runs yet.
func New(o Options) *Cluster {
	return &Cluster{o: o, kind: newKind()}
}

func newKind() *kindcluster.Provider {
	return kindcluster.NewProvider(kindcluster.ProviderWithLogger(log.NoopLogger{}), kindcluster.ProviderWithDocker())
}

// Kubeconfig returns kind's kubeconfig of a cluster. It can be used on the machine that
// Docker runs on.
func Kubeconfig(d docker.Client, name string) ([]byte, error) {
	if err := export("DOCKER_HOST", d.Host); err != nil {
		return nil, err
	}
	text, err := newKind().KubeConfig(name, false)
	return []byte(text), err
}

// export sets an environment variable for kind, which reads its settings from the
// environment and passes them on to docker. An empty value leaves the variable as it is.
func export(key, value string) error {
	if value == "" {
		return nil
	}
	return os.Setenv(key, value)
}

// name is the name of the cluster and of its network; the lease's name begins with it.
func (c *Cluster) name() string { return namePrefix + c.o.Run }

// Tier implements cluster.Provider.
func (c *Cluster) Tier() string { return "kind" }

// Client implements cluster.Provider.
func (c *Cluster) Client() *kube.Client {
	if c.Cluster == nil {
		return nil
	}
	return c.Cluster.Client()
}

// Up implements cluster.Provider.
func (c *Cluster) Up(ctx context.Context, planned []cluster.Object) (err error) {
	info, err := Preflight(ctx, c.o.Docker)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Down())
		}
	}()
	c.sweep(ctx)
	if err := c.pull(ctx, c.o.NodeImage); err != nil {
		return err
	}
	if c.lease, err = takeLease(ctx, c.o.Docker, c.o.Run, c.o.NodeImage); err != nil {
		return err
	}
	c.made = true
	if _, err := c.o.Docker.Output(ctx, "network", "create", "--label", runLabel+"="+c.o.Run, c.name()); err != nil {
		return err
	}
	if err := c.o.Progress.Run("create the kind cluster", func() error { return c.create(ctx, info) }); err != nil {
		return err
	}
	if c.watch, err = watchNode(ctx, c.o.Docker, c.name()+"-control-plane"); err != nil {
		return err
	}
	c.sweep(ctx) // once more: the lease of a run that was killed a moment ago lived on for a second
	var alive context.Context
	alive, c.ends = context.WithCancel(context.WithoutCancel(ctx))
	config, err := c.connect(alive)
	if err != nil {
		return err
	}
	if c.Cluster, err = existing.New(config, c.o.Options); err != nil {
		return err
	}
	if err := c.configureMirrors(ctx); err != nil {
		return err
	}
	if len(c.o.Load) > 0 {
		if err := c.o.Progress.Run("load images into the nodes", func() error { return c.load(ctx) }); err != nil {
			return err
		}
	}
	go c.Cluster.AddressServices(alive)
	return c.Cluster.Furnish(ctx, planned)
}

// sweep removes what killed rehearsals left. A failure is only a note: this rehearsal can go on.
func (c *Cluster) sweep(ctx context.Context) {
	if err := Sweep(ctx, c.o.Docker, c.o.Note); err != nil {
		c.o.Note("could not remove what killed rehearsals left: " + err.Error()) // another run may be at it, too
	}
}

// create runs kind. It can't be told to stop, so when ctx ends, its containers are
// removed again and again until it gives up.
func (c *Cluster) create(ctx context.Context, info docker.Info) error {
	config, err := configuration(c.o.Config, c.name(), info, len(c.o.Mirrors) > 0)
	if err != nil {
		return err
	}
	for key, value := range map[string]string{"DOCKER_HOST": c.o.Docker.Host, "KIND_EXPERIMENTAL_DOCKER_NETWORK": c.name(), "KUBECONFIG": c.kubeconfigFile()} {
		if err := export(key, value); err != nil {
			return err
		}
	}
	done := make(chan error, 1)
	go func() {
		done <- c.kind.Create(c.name(),
			kindcluster.CreateWithRawConfig(config), kindcluster.CreateWithNodeImage(c.o.NodeImage),
			kindcluster.CreateWithKubeconfigPath(c.kubeconfigFile()), kindcluster.CreateWithWaitForReady(3*time.Minute),
			kindcluster.CreateWithDisplayUsage(false), kindcluster.CreateWithDisplaySalutation(false))
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("kind can't make a cluster: %w", err)
		}
		return nil
	case <-ctx.Done():
	}
	for {
		select {
		case <-done:
			return context.Cause(ctx)
		default:
			clean, cancel := context.WithTimeout(context.Background(), time.Minute)
			_ = removeNodes(clean, c.o.Docker, c.name()) // Down removes them again and reports
			cancel()
			time.Sleep(200 * time.Millisecond)
		}
	}
}

func (c *Cluster) kubeconfigFile() string { return filepath.Join(c.o.State, "kind.kubeconfig") }

// connect returns a configuration for the API server, through the tunnel.
func (c *Cluster) connect(alive context.Context) (*rest.Config, error) {
	text, err := c.kind.KubeConfig(c.name(), false)
	if err != nil {
		return nil, err
	}
	c.o.Kubeconfig = []byte(text)
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(text))
	if err != nil {
		return nil, err
	}
	addr, err := c.o.Docker.Tunnel(alive, c.name()+"-control-plane", "127.0.0.1:6443")
	if err != nil {
		return nil, err
	}
	config.Host = "https://" + addr
	config.TLSClientConfig.ServerName = "localhost" // kind puts it into the certificate
	return config, nil
}

// load gives the nodes the images that the Docker engine has; they pull the rest.
func (c *Cluster) load(ctx context.Context) error {
	var images []string
	for _, image := range c.o.Load {
		if c.o.Docker.HasImage(ctx, image) {
			images = append(images, image)
		}
	}
	if len(images) == 0 {
		return nil
	}
	all, err := c.kind.ListInternalNodes(c.name())
	if err != nil {
		return err
	}
	for _, node := range all {
		if err := c.loadInto(ctx, node, images); err != nil {
			c.o.Note(fmt.Sprintf("the images of this machine could not be loaded, so %s pulls them: %v", node, err))
		}
	}
	return nil
}

func (c *Cluster) loadInto(ctx context.Context, node nodes.Node, images []string) error {
	save := c.o.Docker.Command(ctx, append([]string{"save"}, images...)...)
	archive, err := save.StdoutPipe()
	if err != nil {
		return err
	}
	if err := save.Start(); err != nil {
		return err
	}
	err = said(nodeutils.LoadImageArchive(node, archive))
	_ = archive.Close() // otherwise docker save would block for ever if the archive was not read to its end
	if saved := save.Wait(); err == nil && saved != nil {
		err = fmt.Errorf("docker save: %w", saved)
	}
	return err
}

// said adds what a command of a node printed last to an error that only names it.
func said(err error) error {
	run := exec.RunErrorForError(err)
	if run == nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(run.Output)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return fmt.Errorf("%w: %s", err, last)
	}
	return err
}

// pull fetches an image unless the engine has it.
func (c *Cluster) pull(ctx context.Context, image string) error {
	if c.o.Docker.HasImage(ctx, image) {
		return nil
	}
	c.o.Note("pulling " + image)
	_, err := c.o.Docker.Output(ctx, "pull", "--quiet", image)
	return err
}

// BlindSpots implements cluster.Provider.
func (c *Cluster) BlindSpots() []finding.BlindSpot {
	return append(c.Cluster.BlindSpots(),
		finding.Unseen(finding.LoadBalancers, "Services of type LoadBalancer get an address that leads nowhere"),
		finding.Unseen(finding.OneNode, "one small node: capacity, zones, storage classes and network policies are not those of the real cluster"))
}

// Keep implements cluster.Provider. The kubeconfig is kind's, which leads to a
// loopback port of the machine that Docker runs on.
func (c *Cluster) Keep(ctx context.Context) (cluster.Kept, error) {
	if err := keepLease(ctx, c.o.Docker, c.o.Run, c.o.NodeImage); err != nil {
		return cluster.Kept{}, err
	}
	if _, err := c.o.Docker.Output(ctx, "update", "--restart", "on-failure:1", c.name()+"-control-plane"); err != nil {
		return cluster.Kept{}, err
	}
	if err := c.watch.stay(); err != nil {
		return cluster.Kept{}, err
	}
	c.kept = true
	// This process's own lease would end with it: the kept one takes its place.
	_ = c.lease.Close()
	return cluster.Kept{Name: c.name(), Kubeconfig: c.o.Kubeconfig, Hints: []string{
		"its Gitea: kubectl -n " + existing.Namespace + " port-forward svc/gitea 3000",
		"end it with: seatrial down " + c.name(),
	}}, nil
}

// Down implements cluster.Provider. It gives up after three minutes.
func (c *Cluster) Down() error {
	if c.ends != nil {
		c.ends()
		c.ends = nil
	}
	if !c.made || c.kept {
		return nil
	}
	c.made = false
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	err := Remove(ctx, c.o.Docker, c.name())
	if c.watch != nil {
		c.watch.end()
	}
	return errors.Join(err, c.lease.Close())
}

var _ cluster.Provider = (*Cluster)(nil)
