package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/pflag"
	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	nodelease "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwokcmd "sigs.k8s.io/kwok/pkg/kwok/cmd"
	kwoklog "sigs.k8s.io/kwok/pkg/log"
)

// stages are what kwok does here beyond its own defaults.
//
//go:embed stages/*.yaml
var stages embed.FS

// startKwok starts kwok, which plays the kubelet on every node.
func (c *cluster) startKwok(ctx context.Context) error {
	config, err := stageFile()
	if err != nil {
		return err
	}
	file := c.path("kwok.yaml")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return err
	}
	addr := c.addr(portKwok)
	c.watch(ctx, "kwok", func() error {
		return runKwok(ctx, "--kubeconfig="+c.path("admin.kubeconfig"), "--config="+file,
			"--manage-all-nodes=true", "--node-ip=127.0.0.1", fmt.Sprintf("--node-port=%d", c.port+portKwok),
			"--server-address="+addr, "--node-lease-duration-seconds=40")
	})
	return nil
}

// stageFile joins kwok's own fast stages with ours.
func stageFile() ([]byte, error) {
	docs := []string{
		nodefast.DefaultNodeInit, nodelease.DefaultNodeHeartbeatWithLease,
		podfast.DefaultPodReady, podfast.DefaultPodComplete, podfast.DefaultPodDelete,
	}
	names, err := fs.Glob(stages, "stages/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		b, err := stages.ReadFile(name)
		if err != nil {
			return nil, err
		}
		docs = append(docs, string(b))
	}
	var out bytes.Buffer
	for _, doc := range docs {
		fmt.Fprintf(&out, "---\n%s\n", doc)
	}
	return out.Bytes(), nil
}

// runKwok runs kwok's own command; it reads --config from os.Args, so that is lent to it.
func runKwok(ctx context.Context, args ...string) error {
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	saved := os.Args
	os.Args = append([]string{"kwok"}, args...)
	ctx, _ = kwoklog.InitFlags(ctx, flags)
	ctx, err := kwokconfig.InitFlags(ctx, flags)
	os.Args = saved
	if err != nil {
		return err
	}
	cmd := kwokcmd.NewCommand(ctx)
	cmd.PersistentFlags().AddFlagSet(flags)
	cmd.Version = "" // component-base registers a non-boolean "version" flag, which cobra's would clash with
	cmd.SetArgs(args)
	return cmd.ExecuteContext(ctx)
}
