package main

import (
	"context"

	"seatrial.dev/seatrial/internal/dagger"
	"seatrial.dev/seatrial/pipelines"
)

// Up rehearses on kind and leaves the cluster, with its Gitea, on the Docker engine, whatever the verdict. It returns the cluster's name.
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

// Kubeconfig leads to a cluster that up left: dagger call kubeconfig --name=NAME plaintext > kubeconfig
//
// +cache="never"
func (m *Seatrial) Kubeconfig(
	ctx context.Context,
	// Name that up returned.
	name string,
) (*dagger.Secret, error) {
	return m.pipeline().Kubeconfig(ctx, name)
}

// Down removes a cluster that up left.
//
// +cache="never"
func (m *Seatrial) Down(
	ctx context.Context,
	// Name that up returned.
	name string,
) error {
	return m.pipeline().Down(ctx, name)
}

// Clusters names the clusters that up left, one on a line.
//
// +cache="never"
func (m *Seatrial) Clusters(ctx context.Context) (string, error) {
	return m.pipeline().List(ctx)
}
