package pipelines

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"

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
	SigningKey               *dagger.Secret // of the evidence
	Sources                  string
	Timeout                  string
	Unconfined               bool
	PackagingGlobalNamespace string
	NodeImage                string
	KindConfig               *dagger.File
	RegistryMirrors          []string
	Load                     bool
	Kubeconfig               *dagger.Secret
	Context                  string
	Kube                     *dagger.Service
	// Run names the rehearsal. Dagger caches a rehearsal by its arguments, so one with another name
	// is run again.
	Run string
	// Keep leaves a kind cluster up.
	Keep bool
}

// Verify runs a rehearsal and returns the container in which it ran; see Output and
// Assert. A rehearsal that fails is not an error here.
func (p *Pipeline) Verify(ctx context.Context, v Verify) (*dagger.Container, error) {
	if v.Run == "" {
		var err error
		if v.Run, err = name(); err != nil {
			return nil, err
		}
	}
	c, args, err := p.rehearsal(ctx, v)
	if err != nil {
		return nil, err
	}
	c = c.WithExec(args, dagger.ContainerWithExecOpts{Expect: dagger.ReturnTypeAny})
	return c, p.show(ctx, c)
}

// name returns a random name. Nothing that is done under a new name comes from Dagger's cache.
func name() (string, error) {
	b := make([]byte, 4)
	_, err := rand.Read(b)
	return hex.EncodeToString(b), err
}

// rehearsal is the container for a rehearsal, and the command.
func (p *Pipeline) rehearsal(ctx context.Context, v Verify) (*dagger.Container, []string, error) {
	args := []string{"seatrial", "verify", "--cluster=" + v.Cluster, "--run=" + v.Run, "--logs=" + outDir + "/logs"}
	for _, file := range reports {
		args = append(args, "--report="+outDir+"/"+file)
	}
	c := p.tool().WithDirectory(outDir, p.Dag.Directory())
	c, key := withAgeKey(c, v.AgeKey)
	c, signing := withSigningKey(c, v.SigningKey)
	args = append(append(append(args, key...), "--attest="+outDir+"/"+evidenceFile), signing...)
	for _, f := range [][2]string{
		{"--path", v.Path}, {"--sources", v.Sources}, {"--timeout", v.Timeout},
		{"--packaging-global-namespace", v.PackagingGlobalNamespace},
	} {
		args = appendFlag(args, f[0], f[1])
	}
	var err error
	switch v.Cluster {
	case Embedded:
		if v.Unconfined {
			args = append(args, "--unconfined")
		}
		return p.withEngine(c, v.Run), args, nil
	case Kind:
		if c, err = p.withDocker(ctx, c); err != nil {
			return nil, nil, err
		}
		// Loading images from here would send them through Dagger and back, so by
		// default the nodes pull them, which is faster.
		args = append(args, fmt.Sprintf("--load=%t", v.Load))
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
		args = appendFlag(args, "--context", v.Context)
		if v.Kube != nil {
			port, err := portOf(ctx, v.Kube)
			if err != nil {
				return nil, nil, err
			}
			c = c.WithServiceBinding("kubernetes", v.Kube)
			args = append(args, "--server=https://kubernetes:"+port)
		}
	default:
		return nil, nil, fmt.Errorf("unknown cluster %q: use embedded, kind or existing", v.Cluster)
	}
	return c, append(args, p.Images.flags()...), nil
}

// portOf is the port that a service listens on.
func portOf(ctx context.Context, s *dagger.Service) (string, error) {
	endpoint, err := s.Endpoint(ctx)
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(endpoint)
	return port, err
}

// Up rehearses on kind and leaves the cluster up, whatever the verdict. It returns the
// cluster's name; once the cluster exists, an error names it, too.
func (p *Pipeline) Up(ctx context.Context, v Verify) (string, error) {
	v.Cluster, v.Keep = Kind, true
	var err error
	if v.Run, err = name(); err != nil {
		return "", err
	}
	cluster := "seatrial-" + v.Run
	c, err := p.Verify(ctx, v)
	if err != nil {
		return "", err
	}
	if _, err := Read(ctx, c); err != nil {
		return "", err // the rehearsal could not be run, so no cluster stays up
	}
	if err := Assert(ctx, c); err != nil {
		return "", fmt.Errorf("cluster %s stays up, but not every layer reconciled: %w", cluster, err)
	}
	return cluster, nil
}

// Kubeconfig returns the kubeconfig of a cluster that Up left, as a secret.
func (p *Pipeline) Kubeconfig(ctx context.Context, cluster string) (*dagger.Secret, error) {
	c, err := p.once(ctx)
	if err != nil {
		return nil, err
	}
	// The kubeconfig goes into a file: what a command prints shows up in Dagger's logs.
	const file = "/run/kubeconfig"
	text, err := c.WithExec([]string{"seatrial", "kubeconfig", cluster}, dagger.ContainerWithExecOpts{RedirectStdout: file}).File(file).Contents(ctx)
	if err != nil {
		return nil, err
	}
	return p.Dag.SetSecret("kubeconfig-"+cluster, text), nil
}

// Down removes a cluster that Up left.
func (p *Pipeline) Down(ctx context.Context, cluster string) error {
	c, err := p.once(ctx)
	if err != nil {
		return err
	}
	_, err = c.WithExec([]string{"seatrial", "down", cluster}).Sync(ctx)
	return err
}

// List names the clusters that Up left, one on a line.
func (p *Pipeline) List(ctx context.Context) (string, error) {
	c, err := p.once(ctx)
	if err != nil {
		return "", err
	}
	return c.WithExec([]string{"seatrial", "down"}).Stdout(ctx)
}

// once returns a container with the docker command whose commands never come from
// Dagger's cache.
func (p *Pipeline) once(ctx context.Context) (*dagger.Container, error) {
	c, err := p.withDocker(ctx, p.tool())
	if err != nil {
		return nil, err
	}
	return anew(c)
}

// anew has all later commands of a container run again instead of taking them from
// Dagger's cache.
func anew(c *dagger.Container) (*dagger.Container, error) {
	n, err := name()
	return c.WithEnvVariable("SEATRIAL_CALL", n), err
}
