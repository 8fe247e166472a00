package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	cliflag "k8s.io/component-base/cli/flag"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// startAPIServer starts kube-apiserver and waits for its /readyz.
func (c *cluster) startAPIServer(ctx context.Context) error {
	c.routes["default/kubernetes"] = c.addr(portAPI)
	apiserver.SetServiceResolverForTests(c.routes)
	o := options.NewServerRunOptions()
	admission, err := c.podSecurity.write(c.path("admission.json"))
	if err != nil {
		return err
	}
	if err := parse("kube-apiserver", o.Flags(),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", c.port+portAPI),
		"--etcd-servers=http://"+c.addr(portEtcdClient),
		"--endpoint-reconciler-type=none", // nothing but 127.0.0.1 to point it at, which Endpoints refuse
		"--tls-cert-file="+c.path("pki/apiserver.crt"), "--tls-private-key-file="+c.path("pki/apiserver.key"),
		"--client-ca-file="+c.path("pki/ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.path("pki/sa.key"), "--service-account-signing-key-file="+c.path("pki/sa.key"),
		"--requestheader-client-ca-file="+c.path("pki/front-proxy-ca.crt"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file="+c.path("pki/front-proxy.crt"), "--proxy-client-key-file="+c.path("pki/front-proxy.key"),
		"--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=Node,RBAC", "--allow-privileged=true", "--profiling=false",
		"--admission-control-config-file="+admission,
		"--feature-gates=HPAScaleToZero=true", // a policy refuses what needs it, unless the repo's own cluster has it
		// The simulated nodes take what they are given; a rehearsal is one short burst of requests from few
		// clients, and to be fair between them takes a twentieth of its processor time.
		"--enable-priority-and-fairness=false", "--max-requests-inflight=1000", "--max-mutating-requests-inflight=500",
	); err != nil {
		return err
	}
	if err := o.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	answers, err := c.answerWebhooks(o)
	if err != nil {
		return err
	}
	completed, err := o.Complete(ctx)
	if err != nil {
		return err
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return utilerrors.NewAggregate(errs)
	}
	c.watch(ctx, "kube-apiserver", func() error { return runAPIServer(ctx, completed, answers) })
	return c.waitReady(ctx)
}

// stored are parts of readiness that a cluster with a state has from the start: each of them
// looks whether its objects exist, after waiting for a second.
var stored = []string{"poststarthook/rbac/bootstrap-roles", "poststarthook/scheduling/bootstrap-system-priority-classes"}

// waitReady asks /readyz until it says yes, a component fails or a minute has passed.
func (c *cluster) waitReady(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", c.path("admin.kubeconfig"))
	if err != nil {
		return err
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	client.Timeout = 5 * time.Second
	readyz := c.server() + "/readyz"
	if c.state != "" {
		readyz += "?exclude=" + strings.Join(stored, "&exclude=")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if r, err := client.Get(readyz); err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-c.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("not ready after a minute: %w", ctx.Err())
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// parse sets flags of a component without going through its cobra command,
// whose signal handler can be registered once per process only.
func parse(name string, sets cliflag.NamedFlagSets, args ...string) error {
	fs := pflag.NewFlagSet(name, pflag.ContinueOnError)
	for _, s := range sets.FlagSets {
		fs.AddFlagSet(s)
	}
	return fs.Parse(args)
}
