package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/sandbox"
)

func newEngine(s Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "engine",
		Short: "Build, list and prune the binaries of the embedded tier",
		Long: `The embedded tier runs Kubernetes, Flux and kapp-controller as processes. They
are built from pinned Go modules into $SEATRIAL_CACHE (by default seatrial in
the user's cache folder), once for every set of pins.`,
	}
	cmd.AddCommand(newEngineBuild(s), newEngineSeed(s), newEngineList(s), newEnginePrune(s))
	return group(cmd)
}

func newEngineBuild(s Streams) *cobra.Command {
	var flux bool
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build what a rehearsal needs and the cache lacks",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cache, err := openCache(cmd.Context())
			if err != nil {
				return err
			}
			ctx, box, err := sandbox.Inside(cmd.Context(), nil, nil)
			if err != nil {
				return err
			}
			c := console.New(s.Err)
			if box == nil {
				if err := mendEngine(ctx, cache, c); err != nil {
					return err
				}
				if flux {
					if _, err := ensureFlux(ctx, cache, c); err != nil {
						return err
					}
				}
				c.Note("the engine is complete")
				return nil
			}
			missing, err := cache.Missing()
			if err != nil {
				return err
			}
			var more []engine.Family
			if flux {
				if _, more, err = cache.FluxCLI(); err != nil {
					return err
				}
			}
			return cache.Build(ctx, console.NewBuild(c, len(missing)+len(more)), more...)
		},
	}
	cmd.Flags().BoolVar(&flux, "flux", false, "also the flux command, which a first promotion bootstraps Flux with")
	return cmd
}

// ensureFlux returns the path of the flux command, which it builds if the cache lacks it.
func ensureFlux(ctx context.Context, cache *engine.Cache, c *console.Console) (string, error) {
	path, missing, err := cache.FluxCLI()
	if err != nil {
		return "", err
	}
	if path == "" {
		if err := buildEngine(ctx, cache, c, missing, "--flux"); err != nil {
			return "", err
		}
		path, _, err = cache.FluxCLI()
	}
	return path, err
}

// mendEngine makes what the cache lacks, and anew what has changed since it was made.
func mendEngine(ctx context.Context, cache *engine.Cache, c *console.Console) error {
	if err := ensureEngine(ctx, cache, c); err != nil {
		return err
	}
	var broken *engine.Broken
	err := cache.Verify(ctx, true)
	if !errors.As(err, &broken) {
		return err
	}
	c.Note(broken.Error())
	if err := cache.DropBroken(ctx, waits(c)); err != nil {
		return err
	}
	return ensureEngine(ctx, cache, c)
}

// ensureEngine builds what the cache lacks, in a sandbox of its own, so that a killed
// build takes its compilers with it, and then makes the seed if that is missing.
func ensureEngine(ctx context.Context, cache *engine.Cache, c *console.Console) error {
	missing, err := cache.Missing()
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		if err := buildEngine(ctx, cache, c, missing); err != nil {
			return err
		}
	}
	return ensureSeed(ctx, cache, c)
}

// buildEngine builds families in a sandbox.
func buildEngine(ctx context.Context, cache *engine.Cache, c *console.Console, missing []engine.Family, flags ...string) error {
	var titles []string
	for _, f := range missing {
		titles = append(titles, f.Title)
	}
	c.Note(fmt.Sprintf("building %s from source, once, into %s: this takes minutes", strings.Join(titles, ", "), cache.Dir))
	code, err := sandbox.Run(ctx, sandbox.Options{Args: append([]string{"engine", "build"}, flags...), Build: true})
	if err != nil {
		return err
	}
	if code != exitPass {
		return exit(code)
	}
	return nil
}

func newEngineList(s Streams) *cobra.Command {
	output := newOutput()
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what the cache holds",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cache, err := openCache(cmd.Context())
			if err != nil {
				return err
			}
			entries, err := cache.List()
			if err != nil {
				return err
			}
			if output.value == outputJSON {
				return printJSON(s, entries)
			}
			w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tSIZE\tBUILT\tSTATE")
			for _, e := range entries {
				fmt.Fprintf(w, "%s\t%d MB\t%s\t%s\n", e.Name, e.Bytes>>20, e.Built.Format(time.DateTime), state(e))
			}
			return w.Flush()
		},
	}
	cmd.Flags().VarP(&output, "output", "o", "what to print on stdout")
	return cmd
}

func state(e engine.Entry) string {
	if e.Current {
		return "in use"
	}
	return "not used by these pins"
}

func newEnginePrune(s Streams) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove binaries that the present pins don't use",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cache, err := openCache(cmd.Context())
			if err != nil {
				return err
			}
			c := console.New(s.Err)
			removed, err := cache.Prune(cmd.Context(), all, func() { c.Note("a build is under way: waiting for it") })
			if err != nil {
				return err
			}
			var bytes int64
			for _, e := range removed {
				bytes += e.Bytes
			}
			c.Note(fmt.Sprintf("removed %d folders, %d MB", len(removed), bytes>>20))
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "remove those in use too")
	return cmd
}
