package pipelines

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"seatrial.dev/seatrial/internal/dagger"
)

// The tiers, as the command names them.
const (
	Embedded = "embedded"
	Kind     = "kind"
	Existing = "existing"
)

// Verify is what is rehearsed, and how; see the command's flags.
type Verify struct {
	Cluster                  string
	Path                     string
	AgeKey                   *dagger.Secret
	Sources                  string
	Timeout                  string
	PackagingGlobalNamespace string
	NodeImage                string
	KindConfig               *dagger.File
	RegistryMirrors          []string
	Kubeconfig               *dagger.Secret
	Kube                     *dagger.Service
	// Run names the rehearsal. A rehearsal of another name is another one: nothing of it is cached.
	Run string
	// Keep leaves a kind cluster up.
	Keep bool
}

// Verify rehearses and returns the container in which that happened; see Output
// and Assert. The rehearsal begins when either is asked for.
func (p *Pipeline) Verify(ctx context.Context, v Verify) (*dagger.Container, error) {
	if v.Run == "" {
		run := make([]byte, 4)
		if _, err := rand.Read(run); err != nil {
			return nil, err
		}
		v.Run = hex.EncodeToString(run)
	}
	c, args, err := p.rehearsal(v)
	if err != nil {
		return nil, err
	}
	c = c.WithExec(args, dagger.ContainerWithExecOpts{Expect: dagger.ReturnTypeAny})
	return c, p.show(ctx, c)
}

// rehearsal is the container for a rehearsal, and the command.
func (p *Pipeline) rehearsal(v Verify) (*dagger.Container, []string, error) {
	args := []string{"seatrial", "verify", "--cluster=" + v.Cluster, "--run=" + v.Run, "--logs=" + outDir + "/logs"}
	for _, file := range reports {
		args = append(args, "--report="+outDir+"/"+file)
	}
	c := p.tool().WithNewFile(outDir+"/run", v.Run)
	c, key := withAgeKey(c, v.AgeKey)
	args = append(args, key...)
	for _, f := range [][2]string{
		{"--path", v.Path}, {"--sources", v.Sources}, {"--timeout", v.Timeout},
		{"--packaging-global-namespace", v.PackagingGlobalNamespace},
	} {
		args = appendFlag(args, f[0], f[1])
	}
	switch v.Cluster {
	case Embedded:
		return c, args, nil
	case Kind:
		if p.Docker.Socket == nil && p.Docker.Service == nil {
			return nil, nil, errors.New("--cluster=kind needs a Docker engine: dagger call --docker=/var/run/docker.sock verify --cluster=kind")
		}
		c = p.withDocker(c)
		args = appendFlag(args, "--node-image", v.NodeImage)
		for _, m := range v.RegistryMirrors {
			args = append(args, "--registry-mirror="+m)
		}
		if v.KindConfig != nil {
			c = c.WithMountedFile("/run/kind.yaml", v.KindConfig)
			args = append(args, "--kind-config=/run/kind.yaml")
		}
		if v.Keep {
			args = append(args, "--keep")
		}
	case Existing:
		if v.Kubeconfig == nil {
			return nil, nil, errors.New("--cluster=existing needs --kubeconfig=file://scratch.kubeconfig, of a scratch cluster")
		}
		c = c.WithMountedSecret("/run/secrets/kubeconfig", v.Kubeconfig)
		args = append(args, "--kubeconfig=/run/secrets/kubeconfig")
		if v.Kube != nil {
			c = c.WithServiceBinding("kubernetes", v.Kube)
			args = append(args, "--server=https://kubernetes:6443")
		}
	default:
		return nil, nil, fmt.Errorf("unknown cluster %q: use embedded, kind or existing", v.Cluster)
	}
	return c, append(args, p.Images.flags()...), nil
}

// Up rehearses on kind and leaves the cluster up. It returns the cluster's name.
func (p *Pipeline) Up(ctx context.Context, v Verify) (string, error) {
	v.Cluster, v.Keep = Kind, true
	c, err := p.Verify(ctx, v)
	if err != nil {
		return "", err
	}
	if err := Assert(ctx, c); err != nil {
		return "", err
	}
	run, err := c.File(outDir + "/run").Contents(ctx)
	return "seatrial-" + strings.TrimSpace(run), err
}

// Kubeconfig leads to a cluster that Up left.
func (p *Pipeline) Kubeconfig(ctx context.Context, name string) (*dagger.Secret, error) {
	text, err := p.once(ctx, "seatrial", "kubeconfig", name)
	if err != nil {
		return nil, err
	}
	return p.Dag.SetSecret("kubeconfig-"+name, text), nil
}

// Down removes a cluster that Up left.
func (p *Pipeline) Down(ctx context.Context, name string) error {
	_, err := p.once(ctx, "seatrial", "down", name)
	return err
}

// once runs a command with Docker, whatever ran before, and returns what it prints.
func (p *Pipeline) once(ctx context.Context, args ...string) (string, error) {
	if p.Docker.Socket == nil && p.Docker.Service == nil {
		return "", errors.New("this needs the Docker engine that the cluster is on: dagger call --docker=/var/run/docker.sock …")
	}
	now := make([]byte, 4)
	if _, err := rand.Read(now); err != nil {
		return "", err
	}
	return p.withDocker(p.tool()).WithEnvVariable("SEATRIAL_CALL", hex.EncodeToString(now)).WithExec(args).Stdout(ctx)
}
