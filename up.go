package main

import (
	"context"

	"seatrial.dev/seatrial/internal/dagger"
	"seatrial.dev/seatrial/pipelines"
)

// Up rehearses on kind (it needs --docker) and leaves the cluster, with its Gitea, on the Docker engine, whatever the verdict. It returns the cluster's name.
//
// +cache="never"
func (m *Seatrial) Up(
	ctx context.Context,
	// Folder that Flux is bootstrapped on, relative to the repo (default: found).
	//
	// +optional
	path string,
	// Age key of the repo's SOPS files.
	//
	// +optional
	ageKey *dagger.Secret,
	// Node image.
	//
	// +optional
	nodeImage string,
	// kind configuration to build on.
	//
	// +optional
	kindConfig *dagger.File,
) (string, error) {
	return m.pipeline().Up(ctx, pipelines.Verify{Path: path, AgeKey: ageKey, NodeImage: nodeImage, KindConfig: kindConfig})
}

// Kubeconfig prints how to reach a cluster that up left: dagger call --docker=/var/run/docker.sock kubeconfig --name=NAME plaintext
//
// +cache="never"
func (m *Seatrial) Kubeconfig(
	ctx context.Context,
	// Name that up returned, or clusters lists.
	name string,
) (*dagger.Secret, error) {
	return m.pipeline().Kubeconfig(ctx, name)
}

// Down removes a cluster that up left: dagger call --docker=/var/run/docker.sock down --name=NAME
//
// +cache="never"
func (m *Seatrial) Down(
	ctx context.Context,
	// Name that up returned, or clusters lists.
	name string,
) error {
	return m.pipeline().Down(ctx, name)
}

// Clusters lists the clusters that up left, one on a line. It needs --docker.
//
// +cache="never"
func (m *Seatrial) Clusters(ctx context.Context) (string, error) {
	return m.pipeline().List(ctx)
}
