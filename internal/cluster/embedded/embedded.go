// Package embedded is the cluster that needs nothing but this machine's
// processes: a real control plane, the real Flux controllers and the real
// kapp-controller, with pods that kwok simulates.
//
// The controllers run as processes with the tokens of their own
// ServiceAccounts, so RBAC holds for them as it does in a pod.
package embedded

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/pace"
	"seatrial.dev/seatrial/internal/process"
	"seatrial.dev/seatrial/internal/sandbox"
)

// Options are what a cluster is made from.
type Options struct {
	Engine                   *engine.Engine
	Sandbox                  *sandbox.Sandbox
	PackagingGlobalNamespace string
	// PodSecurity is the level that namespaces without a label enforce; empty for Kubernetes's own.
	PodSecurity string
}

// Cluster implements cluster.Provider.
type Cluster struct {
	Options
	ports  ports
	group  *process.Group
	client *kube.Client
	parts  cluster.Phases // of Begin and Up, some side by side

	// Each is set by the function that its comment names.
	alive   context.Context    // start: ends with Down
	ends    context.CancelFunc // start: ends it
	begun   func() error       // start: waits until the control plane serves
	unwatch func()             // prepare: stops the watch over the programs' memory
	door    *egress.Door       // prepare
	tree    http.Handler       // Publish

	generates bool // Up: Flux has its source-watcher

	mu       sync.Mutex
	complete func() error // addParts: waits until all controllers run
	servers  []io.Closer
}

// New prepares a cluster; nothing runs yet.
func New(o Options) *Cluster { return &Cluster{Options: o} }

// Tier implements cluster.Provider.
func (c *Cluster) Tier() string { return "embedded" }

// Client implements cluster.Provider.
func (c *Cluster) Client() *kube.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.complete == nil { // Begin may be about to set it
		return nil
	}
	return c.client
}

// Failed implements cluster.Provider.
func (c *Cluster) Failed() <-chan error { return c.group.Failed() }

// BlindSpots implements cluster.Provider.
func (c *Cluster) BlindSpots() []finding.BlindSpot {
	out := []finding.BlindSpot{finding.Unseen(finding.PodsSimulated,
		"pods are simulated: images are not pulled, probes and init scripts do not run, and operators inside charts do nothing")}
	if c.Client() == nil { // nothing was asked yet
		return out
	}
	return append(out, c.openWebhooks()...)
}

// home makes a program's own folder, in which the program may write, with a folder tmp
// and the given ones. No other program sees it.
func (c *Cluster) home(program string, folders ...string) (string, error) {
	dir := c.path(program)
	for _, folder := range append([]string{"tmp"}, folders...) {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			return "", err
		}
	}
	return dir, c.Sandbox.Give(dir)
}

// env returns the whole environment of a program: it inherits nothing from this process.
func (c *Cluster) env(program string, more ...string) []string {
	env := []string{"HOME=" + c.path(program), "TMPDIR=" + c.path(program, "tmp"), "PATH=/nonexistent"}
	if pace.Lively {
		// The API server ends a list as a watch with a bookmark, up to 1.25 s after its last object.
		env = append(env, "KUBE_FEATURE_WatchListClient=false")
	}
	return append(env, more...)
}

func (c *Cluster) path(elem ...string) string {
	return filepath.Join(append([]string{c.Sandbox.Dir}, elem...)...)
}

func (c *Cluster) adminKubeconfig() string {
	return c.path("controlplane", "cluster", "admin.kubeconfig")
}

// serve makes h reachable for the cluster's controllers at a port, and returns its URL.
func (c *Cluster) serve(h http.Handler, port int) (string, error) {
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(l) }() // always ends with ErrServerClosed, by Down
	c.mu.Lock()
	c.servers = append(c.servers, s)
	c.mu.Unlock()
	return "http://" + l.Addr().String(), nil
}

// Keep implements cluster.Provider: the sandbox's listener on the host's
// loopback passes connections on to the API server.
func (c *Cluster) Keep(context.Context) (cluster.Kept, error) {
	l := c.Sandbox.Listener()
	if l == nil {
		return cluster.Kept{}, fmt.Errorf("the cluster has no address outside its sandbox")
	}
	config, err := clientcmd.LoadFromFile(c.adminKubeconfig())
	if err != nil {
		return cluster.Kept{}, err
	}
	for _, cl := range config.Clusters {
		cl.Server = "https://" + l.Addr().String()
	}
	text, err := clientcmd.Write(*config)
	if err != nil {
		return cluster.Kept{}, err
	}
	go forward(l, fmt.Sprintf("127.0.0.1:%d", c.ports.api))
	return cluster.Kept{Kubeconfig: text, Ours: true}, nil
}

// forward connects each connection that l accepts with addr.
func forward(l net.Listener, addr string) {
	for {
		from, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer from.Close()
			to, err := net.Dial("tcp4", addr)
			if err != nil {
				return
			}
			defer to.Close()
			go func() {
				_, _ = io.Copy(to, from)
				_ = to.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(from, to)
		}()
	}
}

// Down implements cluster.Provider.
func (c *Cluster) Down() error {
	c.mu.Lock()
	servers := c.servers
	c.servers = nil
	c.mu.Unlock()
	for _, s := range servers {
		_ = s.Close()
	}
	c.end()
	return c.Sandbox.Close()
}

// stop ends the watch over the programs' memory, and then the programs.
func (c *Cluster) stop() {
	if c.unwatch != nil {
		c.unwatch()
	}
	if c.group != nil {
		c.group.Stop()
	}
}
