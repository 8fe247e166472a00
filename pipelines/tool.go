package pipelines

import (
	"context"
	"errors"

	"seatrial.dev/seatrial/internal/dagger"
)

// Pipeline is what all verbs share.
type Pipeline struct {
	Dag    *dagger.Client
	Source *dagger.Directory // the user's repo
	Images Images
	Engine *dagger.Directory // an engine that was built before; may be nil
	Docker Docker
}

// Docker is the endpoint for kind clusters: a socket or a service.
type Docker struct {
	Socket  *dagger.Socket
	Service *dagger.Service
}

// Where things are in containers.
const (
	binary     = "/usr/local/bin/seatrial"
	sourceDir  = "/src"
	outDir     = "/out"
	ageKeyFile = "/run/secrets/age.agekey"
	cacheDir   = "/root/.cache/seatrial"
)

// product are the parts of the module's source that the command is built from. A change
// of anything else does not build it again.
var product = []string{"go.mod", "go.sum", "cmd", "internal", "engine", "repo-template"}

// golang returns a container with Go, and with caches for modules and packages.
func (p *Pipeline) golang() *dagger.Container {
	return p.Dag.Container().From(p.Images.at(p.Images.Go)).
		WithEnvVariable("CGO_ENABLED", "0").
		WithMountedCache("/go/pkg/mod", p.Dag.CacheVolume("seatrial-go-mod")).
		WithMountedCache("/root/.cache/go-build", p.Dag.CacheVolume("seatrial-go-build"))
}

// command is the seatrial command, built from the module's own source.
func (p *Pipeline) command() *dagger.File {
	source := p.Dag.Directory().WithDirectory("/", p.Dag.CurrentModule().Source(), dagger.DirectoryWithDirectoryOpts{Include: product})
	return p.golang().
		WithDirectory("/seatrial", source).
		WithWorkdir("/seatrial").
		WithExec([]string{"go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./cmd/seatrial"}).
		File(binary)
}

// tool returns a container with the command and the user's repo. It has Go, because the
// engine of the embedded tier is compiled on first use. The cache volume of the engine
// can be shared, as each part's folder is named after what it was built from.
func (p *Pipeline) tool() *dagger.Container {
	return p.golang().
		WithFile(binary, p.command()).
		WithMountedCache(cacheDir, p.Dag.CacheVolume("seatrial-engine")).
		WithMountedDirectory(sourceDir, p.Source).
		WithWorkdir(sourceDir)
}

// withEngine copies an engine that was built before into the cache volume, once
// for each run, so that calls without one find it there, too.
func (p *Pipeline) withEngine(c *dagger.Container, run string) *dagger.Container {
	if p.Engine == nil {
		return c
	}
	const given = "/run/engine"
	return c.
		WithMountedDirectory(given, p.Engine).
		WithEnvVariable("SEATRIAL_RUN", run).
		WithExec([]string{"cp", "--recursive", "--no-clobber", given, cacheDir}).
		WithoutMount(given)
}

// withAgeKey mounts a key, in memory, and returns the flag that names it.
func withAgeKey(c *dagger.Container, key *dagger.Secret) (*dagger.Container, []string) {
	if key == nil {
		return c, nil
	}
	return c.WithMountedSecret(ageKeyFile, key), []string{"--age-key=" + ageKeyFile}
}

// withDocker gives a container the docker command and the endpoint.
func (p *Pipeline) withDocker(ctx context.Context, c *dagger.Container) (*dagger.Container, error) {
	c = c.WithFile("/usr/local/bin/docker", p.Dag.Container().From(p.Images.at(p.Images.Docker)).File("/usr/local/bin/docker"))
	switch {
	case p.Docker.Service != nil:
		port, err := portOf(ctx, p.Docker.Service)
		if err != nil {
			return nil, err
		}
		return c.WithServiceBinding("docker", p.Docker.Service).WithEnvVariable("DOCKER_HOST", "tcp://docker:"+port), nil
	case p.Docker.Socket != nil:
		return c.WithUnixSocket("/var/run/docker.sock", p.Docker.Socket).WithEnvVariable("DOCKER_HOST", "unix:///var/run/docker.sock"), nil
	default:
		return nil, errors.New("a kind cluster needs a Docker engine: dagger call --docker=/var/run/docker.sock …")
	}
}
