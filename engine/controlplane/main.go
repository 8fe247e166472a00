// Command controlplane runs etcd, kube-apiserver, kube-controller-manager,
// kube-scheduler and kwok in one process: a Kubernetes whose API, admission,
// RBAC, garbage collection and scheduling are real and whose pods are simulated.
//
// It keeps all state under --dir, binds 127.0.0.1 only, prints "ready" on stdout
// once every component serves, and ends when it is told to or when one of them fails.
//
// With --save it does none of that, but writes what the cluster at --port has stored into
// a file, which --state has another cluster begin with.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/apiserver/pkg/admission/plugin/policy/generic"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/rest"
	logsapi "k8s.io/component-base/logs/api/v1"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

// cluster is the one cluster of this process.
type cluster struct {
	dir    string // where PKI, kubeconfigs and etcd's data live
	port   int    // kube-apiserver's port; the others follow it, in the order below
	routes routes // where Services that the API server itself calls really are
	state  string // file with what etcd holds from the start; empty: nothing
	// planned is a file that says how many objects the cluster is going to be given.
	planned string
	// podSecurity is the Pod Security level that namespaces without a label enforce.
	podSecurity podSecurity
	etcd        *embed.Etcd
	failed      chan error // what ended a component
}

// The ports, counted from --port.
const (
	portAPI = iota
	portEtcdClient
	portEtcdPeer
	portControllerManager
	portScheduler
	portKwok
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "controlplane: error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	c := &cluster{routes: routes{}, failed: make(chan error, 8)}
	fs := flag.NewFlagSet("controlplane", flag.ContinueOnError)
	fs.StringVar(&c.dir, "dir", "", "state directory")
	fs.IntVar(&c.port, "port", 6443, "first of six consecutive ports on 127.0.0.1")
	fs.Var(c.routes, "route", "NAMESPACE/SERVICE=HOST:PORT that the API server should call for that Service (repeatable)")
	fs.StringVar(&c.state, "state", "", "file that --save has written: what the cluster begins with")
	fs.StringVar(&c.planned, "planned", "", "file with the number of objects that the cluster is going to be given, which may change; with many, more memory is used")
	fs.Var(&c.podSecurity, "pod-security", "Pod Security level that namespaces without a label enforce, and after a colon those that are exempt from it, as restricted:kube-system,tkg-system (default: privileged, as Kubernetes has it)")
	save := fs.String("save", "", "write the state of the cluster at --port into this file")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *save != "" {
		return c.saveState(context.Background(), *save)
	}
	if c.dir == "" || c.planned == "" {
		return errors.New("--dir and --planned are required")
	}
	// A first signal ends the process at once: the state is disposable.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := quiet(); err != nil {
		return err
	}
	if err := c.collectLate(ctx); err != nil {
		return err
	}
	// How often the API server looks for new admission policies. A rehearsal waits for its own.
	generic.SetPolicyRefreshIntervalForTests(100 * time.Millisecond)
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"pki", c.writePKI},
		{"etcd", c.startEtcd},
		{"state", c.loadState},
		{"kube-apiserver", c.startAPIServer},
		{"kube-controller-manager", c.startControllerManager},
		{"kube-scheduler", c.startScheduler},
		{"kwok", c.startKwok},
	} {
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	fmt.Println("ready")
	select {
	case <-ctx.Done():
		return nil
	case err := <-c.failed:
		return err
	}
}

// quiet keeps the components' logs to what went wrong.
func quiet() error {
	lc := logsapi.NewLoggingConfiguration()
	if err := logsapi.ValidateAndApply(lc, utilfeature.DefaultFeatureGate); err != nil {
		return err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	return nil
}

// watch runs a component until ctx ends and reports why it ended.
func (c *cluster) watch(ctx context.Context, name string, run func() error) {
	go func() {
		err := run()
		if ctx.Err() == nil {
			c.failed <- fmt.Errorf("%s ended: %w", name, errors.Join(err))
		}
	}()
}

func (c *cluster) path(elem ...string) string {
	return filepath.Join(append([]string{c.dir}, elem...)...)
}

func (c *cluster) addr(offset int) string { return fmt.Sprintf("127.0.0.1:%d", c.port+offset) }

func (c *cluster) server() string { return "https://" + c.addr(portAPI) }

// routes answers for Services: there is no pod network, so the API server
// reaches an aggregated API where its process really listens.
type routes map[string]string

func (r routes) String() string { return "" }

// Set adds one NAMESPACE/SERVICE=HOST:PORT.
func (r routes) Set(v string) error {
	service, addr, ok := strings.Cut(v, "=")
	if !ok || strings.Count(service, "/") != 1 {
		return fmt.Errorf("want NAMESPACE/SERVICE=HOST:PORT, not %q", v)
	}
	r[service] = addr
	return nil
}

// has says whether a process is behind the Service.
func (r routes) has(namespace, service string) bool {
	_, ok := r[namespace+"/"+service]
	return ok
}

// ResolveEndpoint implements the API server's ServiceResolver. Webhooks that have no route do not
// come here: they are answered.
func (r routes) ResolveEndpoint(namespace, name string, port int32) (*url.URL, error) {
	if addr, ok := r[namespace+"/"+name]; ok {
		return &url.URL{Scheme: "https", Host: addr}, nil
	}
	return nil, fmt.Errorf("no process behind service %s/%s:%d: pods are simulated", namespace, name, port)
}
