package main

import (
	"context"
	"fmt"

	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	cmoptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// The components' default of 20 requests a second costs a rehearsal many seconds. By default
// they also record each time that anything in this process waits.
var fast = []string{
	"--kube-api-qps=1000", "--kube-api-burst=2000", "--leader-elect=false", "--bind-address=127.0.0.1",
	"--profiling=false", "--contention-profiling=false",
}

// serving has a component serve with the API server's certificate: making an RSA key of
// its own costs it a tenth of a second or more.
func (c *cluster) serving(port int) []string {
	return append([]string{
		fmt.Sprintf("--secure-port=%d", c.port+port),
		"--tls-cert-file=" + c.path("pki/apiserver.crt"), "--tls-private-key-file=" + c.path("pki/apiserver.key"),
	}, fast...)
}

// startControllerManager starts kube-controller-manager with all its controllers
// but those that a cloud would need.
func (c *cluster) startControllerManager(ctx context.Context) error {
	o, err := cmoptions.NewKubeControllerManagerOptions()
	if err != nil {
		return err
	}
	known, disabled, aliases := controllermanager.KnownControllers(), controllermanager.ControllersDisabledByDefault(), controllermanager.ControllerAliases()
	flags := o.Flags(known, disabled, aliases)
	o.ParsedFlags = &flags
	kubeconfig := c.path("controller-manager.kubeconfig")
	if err := parse("kube-controller-manager", flags, append([]string{
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--use-service-account-credentials=true", "--service-account-private-key-file=" + c.path("pki/sa.key"),
		"--root-ca-file=" + c.path("pki/ca.crt"),
		"--cluster-signing-cert-file=" + c.path("pki/ca.crt"), "--cluster-signing-key-file=" + c.path("pki/ca.key"),
		"--controllers=*,-node-ipam-controller,-node-route-controller,-cloud-node-lifecycle-controller,-service-lb-controller",
	}, c.serving(portControllerManager)...)...); err != nil {
		return err
	}
	config, err := o.Config(ctx, known, disabled, aliases)
	if err != nil {
		return err
	}
	c.watch(ctx, "kube-controller-manager", func() error { return controllermanager.Run(ctx, config.Complete()) })
	return nil
}

// startScheduler starts kube-scheduler.
func (c *cluster) startScheduler(ctx context.Context) error {
	o := scheduleroptions.NewOptions()
	kubeconfig := c.path("scheduler.kubeconfig")
	if err := parse("kube-scheduler", *o.Flags, append([]string{
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
	}, c.serving(portScheduler)...)...); err != nil {
		return err
	}
	config, sched, err := scheduler.Setup(ctx, o)
	if err != nil {
		return err
	}
	c.watch(ctx, "kube-scheduler", func() error { return scheduler.Run(ctx, config, sched) })
	return nil
}
