// Seatrial is the sea trial of a GitOps repository: it launches a Flux repo, layer
// by layer, on a real Kubernetes with the real Flux and kapp-controller, before the
// repo meets its cluster. It watches each layer reconcile, or says which object
// keeps it from doing so, in which file and line, and what to do.
//
//	dagger call verify                             rehearse the repo in the working folder
//	dagger call verify report export --path=r.json the same, and its report
//	dagger call --docker=/var/run/docker.sock verify --cluster=kind
//	dagger check                                   check and rehearse
//
// Where there is no Flux repo, the sample of Seatrial's own is used.
package main

import (
	"context"

	"seatrial.dev/seatrial/internal/dagger"
	"seatrial.dev/seatrial/pipelines"
)

// Seatrial rehearses a Flux repo.
type Seatrial struct {
	// +private
	Source *dagger.Directory
	// +private
	RegistryPrefix string
	// +private
	GoImage string
	// +private
	DockerImage string
	// +private
	GiteaImage string
	// +private
	FluxImage string
	// +private
	KappControllerImage string
	// +private
	PodImage string
	// +private
	Docker *dagger.Socket
	// +private
	DockerService *dagger.Service
	// +private
	Engine *dagger.Directory
}

// New takes the repo, and where everything comes from.
func New(
	// Folder of the repo, with its .git.
	//
	// +defaultPath="/"
	source *dagger.Directory,
	// Registry that proxies all others, as harbor.example.com/proxy: every image is then asked for below it, as <prefix>/docker.io/gitea/gitea.
	//
	// +optional
	registryPrefix string,
	// Image with Go and git, in which everything runs.
	//
	// +optional
	goImage string,
	// Image with the docker command.
	//
	// +optional
	dockerImage string,
	// Image of Gitea.
	//
	// +optional
	giteaImage string,
	// Image of the flux command; its version is the version of Flux on kind and existing clusters.
	//
	// +optional
	fluxImage string,
	// Image for the built-in kapp-controller manifest, for kind and existing clusters that have none (default: upstream's release).
	//
	// +optional
	kappControllerImage string,
	// Image that the pods of stand-ins run on kind and existing clusters.
	//
	// +optional
	podImage string,
	// Docker socket for kind clusters: --docker=/var/run/docker.sock
	//
	// +optional
	docker *dagger.Socket,
	// Docker engine for kind clusters, as a service: --docker-service=tcp://docker:2375
	//
	// +optional
	dockerService *dagger.Service,
	// Engine of the embedded tier that was built before (~/.cache/seatrial/engine): saves the first rehearsal its build.
	//
	// +optional
	engine *dagger.Directory,
) *Seatrial {
	return &Seatrial{
		Source: source, Docker: docker, DockerService: dockerService, Engine: engine,
		RegistryPrefix: registryPrefix, GoImage: goImage, DockerImage: dockerImage, GiteaImage: giteaImage,
		FluxImage: fluxImage, KappControllerImage: kappControllerImage, PodImage: podImage,
	}
}

func (m *Seatrial) pipeline() *pipelines.Pipeline {
	return &pipelines.Pipeline{
		Dag: dag, Source: m.Source, Engine: m.Engine,
		Docker: pipelines.Docker{Socket: m.Docker, Service: m.DockerService},
		Images: pipelines.Images{
			Prefix: m.RegistryPrefix, Go: m.GoImage, Docker: m.DockerImage,
			Gitea: m.GiteaImage, Flux: m.FluxImage, KappController: m.KappControllerImage, Pod: m.PodImage,
		}.WithDefaults(),
	}
}

// Generate writes the repo that a blueprint describes, or brings it up to date: nine layers, secrets encrypted with SOPS. It returns what changes in the source folder; dagger call -y generate applies it.
//
// +cache="session"
func (m *Seatrial) Generate(
	// Blueprint (default: seatrial.yaml of the source folder, else the sample).
	//
	// +optional
	blueprint *dagger.File,
	// Age key that reads the credentials in use; its recipient encrypts if the blueprint names none.
	//
	// +optional
	ageKey *dagger.Secret,
	// Folder of the repo, relative to the source folder.
	//
	// +optional
	// +default="."
	out string,
) (*dagger.Changeset, error) {
	return m.pipeline().Generate(blueprint, ageKey, out)
}

// Check says what can be known of the repo without a cluster: cycles, names that lead nowhere, removed APIs, files for the wrong recipients, plaintext Secrets. It fails on errors.
//
// +check
// +cache="session"
func (m *Seatrial) Check(
	ctx context.Context,
	// Folder that Flux is bootstrapped on, relative to the repo (default: found).
	//
	// +optional
	path string,
	// Age key of the repo's SOPS files.
	//
	// +optional
	ageKey *dagger.Secret,
) error {
	return m.pipeline().Check(ctx, path, ageKey)
}

// Verify rehearses the repo and returns what became of it. By itself it fails if a layer did not reconcile; its report, junit and logs can be had either way.
//
// +cache="session"
func (m *Seatrial) Verify(
	ctx context.Context,
	// Where to rehearse: embedded (no privilege, simulated pods), kind (needs --docker) or existing (needs --kubeconfig).
	//
	// +optional
	// +default="embedded"
	cluster string,
	// Folder that Flux is bootstrapped on, relative to the repo (default: found).
	//
	// +optional
	path string,
	// Age key of the repo's SOPS files, as env:SOPS_AGE_KEY or file://age.agekey; without it their values are placeholders.
	//
	// +optional
	ageKey *dagger.Secret,
	// Key that signs the evidence, as env:SEATRIAL_SIGNING_KEY; without it, evidence is not signed.
	//
	// +optional
	signingKey *dagger.Secret,
	// Where charts, packages and other repositories come from: auto (where they are if that answers, else the cache, else stand-ins; on kind and existing: stand-ins for known ones), cached (embedded only), stand-in or live.
	//
	// +optional
	// +default="auto"
	sources string,
	// Longest time for the layers to reconcile (default: 10m).
	//
	// +optional
	timeout string,
	// embedded: rehearse even where the kernel (before Linux 6.7) can't keep the repo from the container's files and network; for repos that you trust.
	//
	// +optional
	unconfined bool,
	// Namespace whose Carvel packages all namespaces see (default: tkg-system).
	//
	// +optional
	packagingGlobalNamespace string,
	// kind: node image.
	//
	// +optional
	nodeImage string,
	// kind: configuration to build on.
	//
	// +optional
	kindConfig *dagger.File,
	// kind: where nodes look for a registry's images first, as docker.io=https://mirror.example.com
	//
	// +optional
	registryMirror []string,
	// kind: give the nodes what the Docker engine has of the images, instead of having them pulled; slow.
	//
	// +optional
	load bool,
	// existing: kubeconfig of a scratch cluster, as file://scratch.kubeconfig
	//
	// +optional
	kubeconfig *dagger.Secret,
	// existing: the API server as the caller reaches it, as tcp://127.0.0.1:6443, where containers can't use the kubeconfig's address.
	//
	// +optional
	kube *dagger.Service,
) (*Rehearsal, error) {
	r, err := m.pipeline().Verify(ctx, pipelines.Verify{
		Cluster: cluster, Path: path, AgeKey: ageKey, SigningKey: signingKey, Sources: sources, Timeout: timeout, Unconfined: unconfined,
		PackagingGlobalNamespace: packagingGlobalNamespace, NodeImage: nodeImage, KindConfig: kindConfig,
		RegistryMirrors: registryMirror, Load: load, Kubeconfig: kubeconfig, Kube: kube,
	})
	return &Rehearsal{Container: r}, err
}

// Rehearse is verify on the embedded tier, without options: for dagger check.
//
// +check
// +cache="session"
func (m *Seatrial) Rehearse(ctx context.Context) error {
	r, err := m.pipeline().Verify(ctx, pipelines.Verify{Cluster: pipelines.Embedded})
	if err != nil {
		return err
	}
	return pipelines.Assert(ctx, r)
}

// Images lists every image that the services of a blueprint run, and the name under which a registry proxy serves it.
func (m *Seatrial) Images(
	ctx context.Context,
	// Blueprint (default: seatrial.yaml of the source folder, else the sample).
	//
	// +optional
	blueprint *dagger.File,
) (string, error) {
	return m.pipeline().ListImages(ctx, blueprint)
}

// Gitea is a Git server on port 3000 with the source folder as private repo seatrial/fleet, branch main, of user seatrial.
func (m *Seatrial) Gitea(
	// Password of the user seatrial, who owns the repo fleet.
	password *dagger.Secret,
) *dagger.Service {
	return m.pipeline().Gitea(password)
}
