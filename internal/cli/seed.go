package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"seatrial.dev/seatrial/internal/cluster/embedded"
	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/pace"
	"seatrial.dev/seatrial/internal/sandbox"
)

// parcelSeed is the parcel with the state of a cluster.
const parcelSeed = "seed"

// openCache opens the cache of the engine.
func openCache(ctx context.Context) (*engine.Cache, error) {
	return engine.OpenCache(ctx, embedded.Recipe())
}

// ensureSeed makes the seed if the cache lacks it: in a sandbox of its own, where no
// repo has been read.
func ensureSeed(ctx context.Context, cache *engine.Cache, c *console.Console) error {
	if !pace.Lively {
		return nil // this build begins with an empty cluster
	}
	if yes, err := cache.Seeded(); err != nil || yes {
		return err
	}
	built, err := cache.Engine()
	if err != nil {
		return err
	}
	done := c.Step("install Flux and kapp-controller, once")
	code, err := sandbox.Run(ctx, sandbox.Options{
		Args: []string{"engine", "seed"}, Abrupt: true,
		Unconfined: true, // where nothing confines programs: none of them meets a repo
		Payload:    &given{Engine: built.Dirs()},
		Receive: func(p sandbox.Parcel, _ int, _ string) error {
			if p.Kind != parcelSeed {
				return fmt.Errorf("the sandbox handed over a %q", p.Kind)
			}
			return cache.KeepSeed(ctx, p.Data, waits(c))
		},
	})
	if err == nil && code != exitPass {
		err = exit(code) // the inner process has said why
	}
	done(err)
	return err
}

// waits says that another process holds the cache's lock.
func waits(c *console.Console) func() {
	return func() { c.Note("another process writes to the cache: waiting for it") }
}

// newEngineSeed is the inner process of ensureSeed; it is no command for people.
func newEngineSeed(s Streams) *cobra.Command {
	return &cobra.Command{
		Use: "seed", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var g given
			ctx, box, err := sandbox.Inside(cmd.Context(), &g, func() []string { return slices.Collect(maps.Values(g.Engine)) })
			if err != nil {
				return err
			}
			if box == nil {
				return errors.New("seatrial engine build makes the seed")
			}
			return handSeed(ctx, box, g.Engine)
		},
	}
}

// handSeed makes a seed and hands it out of the sandbox.
func handSeed(ctx context.Context, box *sandbox.Sandbox, families map[string]string) error {
	built, err := enter(box, families)
	if err != nil {
		return err
	}
	c := embedded.New(embedded.Options{Engine: built, Sandbox: box})
	state, err := c.Seed(ctx)
	return errors.Join(err, c.Down(), func() error {
		if err != nil {
			return nil
		}
		return box.Hand(parcelSeed, "", state)
	}())
}
