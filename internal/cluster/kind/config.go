package kind

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/docker"
)

// memoryMiB is the least memory of a node with Flux, kapp-controller and Gitea.
const memoryMiB = 3 << 10

// Preflight returns what the Docker engine says of itself, and an error if it can't run a kind
// cluster: it does not answer, runs no Linux containers, or has less than 3 GiB of memory.
func Preflight(ctx context.Context, d docker.Client) (docker.Info, error) {
	info, err := d.Info(ctx)
	switch {
	case err != nil:
		return info, err
	case info.OSType != "linux":
		return info, fmt.Errorf("docker runs %s containers: kind needs linux ones", info.OSType)
	case info.MemTotal>>20 < memoryMiB:
		return info, fmt.Errorf("docker has %d MiB of memory: a kind cluster with Flux needs %d", info.MemTotal>>20, memoryMiB)
	}
	return info, nil
}

// configuration returns kind's configuration for a cluster of this name: the given one,
// with what mirrors and cgroup v1 need.
func configuration(given []byte, name string, info docker.Info, mirrors bool) ([]byte, error) {
	config := map[string]any{}
	if err := yaml.Unmarshal(given, &config); err != nil {
		return nil, fmt.Errorf("the kind configuration is not YAML: %w", err)
	}
	for key, want := range map[string]string{"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4"} {
		if got, ok := config[key]; ok && got != want {
			return nil, fmt.Errorf("the kind configuration has %s %v: want %s", key, got, want)
		}
		config[key] = want
	}
	config["name"] = name
	if mirrors {
		add(config, "containerdConfigPatches", "[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \""+mirrorDir+"\"\n")
	}
	// Since Kubernetes 1.35, a kubelet starts with cgroup v1 only if its configuration allows it.
	if info.CgroupVersion == "1" && !bytes.Contains(given, []byte("failCgroupV1")) {
		add(config, "kubeadmConfigPatches", "kind: KubeletConfiguration\nfailCgroupV1: false\n")
	}
	return yaml.Marshal(config)
}

func add(config map[string]any, list, entry string) {
	old, _ := config[list].([]any)
	config[list] = append(old, entry)
}

const mirrorDir = "/etc/containerd/certs.d"

// configureMirrors writes the mirrors of registries into every node's containerd
// configuration.
func (c *Cluster) configureMirrors(ctx context.Context) error {
	nodes, err := c.o.Docker.Lines(ctx, "ps", "--quiet", "--filter", "label="+kindLabel+"="+c.name())
	if err != nil {
		return err
	}
	for registry, url := range c.o.Mirrors {
		text := fmt.Sprintf("[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", url)
		for _, node := range nodes {
			dir := mirrorDir + "/" + registry
			cmd := c.o.Docker.Command(ctx, "exec", "-i", node, "bash", "-c", `mkdir -p "$0" && cat >"$0/hosts.toml"`, dir)
			cmd.Stdin = strings.NewReader(text)
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("configure the mirror of %s: %w: %s", registry, err, out)
			}
		}
	}
	return nil
}
