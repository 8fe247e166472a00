// An example: how a platform team's own module uses Seatrial. In a repo of your own,
// begin with dagger init --sdk=go and dagger install seatrial.dev/seatrial@v0.2.0;
// then dagger call gate, dagger call reports export --path=out,
// dagger call kind --docker=/var/run/docker.sock.
package main

import (
	"context"

	"dagger/example/internal/dagger"
)

// Example is the platform team's module.
type Example struct {
	// +private
	Fleet *dagger.Directory
}

func New(
	// The team's Flux repo.
	//
	// +defaultPath="/"
	fleet *dagger.Directory,
) *Example {
	return &Example{Fleet: fleet}
}

// Gate is what a pull request has to pass: the static rules first, as they take
// a second, and then the rehearsal.
//
// +check
// +cache="session"
func (e *Example) Gate(
	ctx context.Context,
	// Engine that was built before, to save its build.
	//
	// +optional
	engine *dagger.Directory,
) error {
	seatrial := dag.Seatrial(dagger.SeatrialOpts{Source: e.Fleet, Engine: engine})
	if err := seatrial.Check(ctx); err != nil {
		return err
	}
	return seatrial.Verify().Assert(ctx)
}

// Reports are for the CI system to keep, whether the rehearsal passed or not.
//
// +cache="session"
func (e *Example) Reports() *dagger.Directory {
	return dag.Seatrial(dagger.SeatrialOpts{Source: e.Fleet}).Verify().Outputs()
}

// Kind is the full rehearsal, with real pods, on the caller's Docker engine.
//
// +cache="session"
func (e *Example) Kind(
	ctx context.Context,
	docker *dagger.Socket,
	// Age key of the repo's SOPS files.
	//
	// +optional
	ageKey *dagger.Secret,
) error {
	return dag.Seatrial(dagger.SeatrialOpts{Source: e.Fleet, Docker: docker}).
		Verify(dagger.SeatrialVerifyOpts{Cluster: "kind", AgeKey: ageKey}).
		Assert(ctx)
}
