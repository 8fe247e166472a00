package cli

import (
	"context"
	"fmt"
	"text/tabwriter"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/generate"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/prose"
	"seatrial.dev/seatrial/internal/upstream"
)

// fewUnknown is how many versions are told by name that could not be looked up: the reason is mostly one.
const fewUnknown = 3

// lookUp looks a blueprint's versions up where they come from. It notes each that is not
// there, or not known to be, and counts both.
func lookUp(ctx context.Context, c *console.Console, b *blueprint.Blueprint) (results []upstream.Result, withdrawn, unknown int, err error) {
	pins, err := generate.Pins(b)
	if err != nil {
		return nil, 0, 0, err
	}
	done := c.Step(fmt.Sprintf("look up %s where they come from", prose.Count(len(pins), "version")))
	results = upstream.Check(ctx, pins, upstream.Options{})
	done(ctx.Err())
	for _, r := range results {
		switch r.State {
		case upstream.Withdrawn:
			c.Note(fmt.Sprintf("withdrawn: %s: %s", r.Pin, r.Why))
			withdrawn++
		case upstream.Unknown:
			if unknown++; unknown <= fewUnknown {
				c.Note(fmt.Sprintf("not looked up: %s: %s", r.Pin, r.Why))
			}
		}
	}
	if unknown > fewUnknown {
		c.Note(fmt.Sprintf("not looked up: %s", prose.Count(unknown-fewUnknown, "more version")))
	}
	return results, withdrawn, unknown, ctx.Err()
}

// checkPins is images --check: it prints what became of each version, and fails if any was withdrawn.
func checkPins(ctx context.Context, s Streams, b *blueprint.Blueprint, json bool) error {
	results, withdrawn, unknown, err := lookUp(ctx, console.New(s.Err), b)
	if err != nil {
		return err
	}
	if json {
		err = printJSON(s, results)
	} else {
		w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "STATE\tKIND\tNAME\tVERSION")
		for _, r := range results {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.State, r.Kind, r.Name, trimSeparator(r.Version))
		}
		err = w.Flush()
	}
	switch {
	case err != nil:
		return err
	case withdrawn > 0:
		return exit(exitFail)
	case unknown > 0:
		return hint.New(fmt.Sprintf("%s could not be looked up", prose.Count(unknown, "version")), "try again where the network allows it")
	}
	return nil
}

// trimSeparator drops what stands between an image's name and its version.
func trimSeparator(version string) string {
	if version != "" && (version[0] == ':' || version[0] == '@') {
		return version[1:]
	}
	return version
}
