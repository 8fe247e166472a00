package promote

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"seatrial.dev/seatrial/internal/policy"
	"seatrial.dev/seatrial/internal/prose"
	"seatrial.dev/seatrial/internal/verdict"
)

// Fleet is what became of several targets.
type Fleet struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Results    []*Result `json:"results"`
	// Waiting are the targets that were not begun.
	Waiting []string `json:"waiting,omitempty"`
	// Why says why the fleet stopped; empty if it did not.
	Why string `json:"why,omitempty"`
}

// WriteJSON writes the record as indented JSON.
func (f *Fleet) WriteJSON(w io.Writer) error { return writeJSON(w, f) }

// WriteText writes each target's record, and what became of all.
func (f *Fleet) WriteText(w io.Writer) error {
	for _, r := range f.Results {
		if err := r.WriteText(w); err != nil {
			return err
		}
	}
	said := fmt.Sprintf("every one of %s is where it was meant to be", prose.Count(len(f.Results), "target"))
	if slices.ContainsFunc(f.Results, func(r *Result) bool { return r.Outcome == Planned }) {
		said = fmt.Sprintf("%s planned; a dry run: nothing was delivered", prose.Count(len(f.Results), "target"))
	}
	if f.Why != "" {
		said = "stopped: " + f.Why
		if len(f.Waiting) > 0 {
			said += "; not begun: " + strings.Join(f.Waiting, ", ")
		}
	}
	_, err := fmt.Fprintf(w, "\nFleet: %s\n", prose.Printable(said))
	return err
}

// Passes says whether every target is where it was meant to be.
func (f *Fleet) Passes() bool { return f.Why == "" }

// RunFleet promotes to the targets of each wave, one after the other, and lets a wave soak before the
// next one begins: its clusters must stay healthy. It stops at the first that is not.
func RunFleet(ctx context.Context, waves []policy.Wave, of func(target string) (Options, error)) (*Fleet, error) {
	f := &Fleet{APIVersion: APIVersion, Kind: "Fleet", Results: []*Result{}}
	for i, w := range waves {
		var soaking []*Result
		for j, name := range w.Targets {
			o, err := of(name)
			if err != nil {
				return f, err
			}
			o.Console.Note(fmt.Sprintf("wave %d of %d: %s", i+1, len(waves), name))
			r, err := Run(ctx, o)
			if r != nil {
				f.Results = append(f.Results, r)
			}
			if err != nil {
				f.stop(fmt.Sprintf("%s: %v", name, err), waves[i:], j+1)
				return f, fmt.Errorf("target %s: %w", name, err)
			}
			if !r.Passes() || r.Outcome == Requested {
				f.stop(fmt.Sprintf("%s: %s", name, r.Outcome), waves[i:], j+1)
				return f, nil
			}
			soaking = append(soaking, r)
		}
		if err := f.soak(ctx, w, soaking, of); err != nil {
			return f, err
		}
		if f.Why != "" {
			f.stop(f.Why, waves[i+1:], 0)
			return f, nil
		}
	}
	return f, nil
}

// stop says why the fleet stopped, and lists what of the waves was not begun.
func (f *Fleet) stop(why string, waves []policy.Wave, begun int) {
	f.Why = why
	for _, w := range waves {
		f.Waiting = append(f.Waiting, w.Targets[begun:]...)
		begun = 0
	}
}

// lookEvery is how often soaking clusters are looked at.
const lookEvery = 30 * time.Second

// soak looks at a wave's clusters again and again until its soak time is over.
func (f *Fleet) soak(ctx context.Context, w policy.Wave, results []*Result, of func(string) (Options, error)) error {
	if !slices.ContainsFunc(results, func(r *Result) bool { return r.Outcome == Promoted }) {
		return nil // a dry run
	}
	end := time.Now().Add(w.SoakTime())
	for first := true; time.Now().Before(end); first = false {
		if !first {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(min(lookEvery, time.Until(end))):
			}
		}
		for i, name := range w.Targets {
			if results[i].Outcome != Promoted {
				continue // a dry run
			}
			o, err := of(name)
			if err != nil {
				return err
			}
			if first {
				o.Console.Note(fmt.Sprintf("%s soaks for %s", name, w.Soak))
			}
			r, err := again(ctx, o, results[i])
			if err != nil {
				return fmt.Errorf("target %s: %w", name, err)
			}
			if r.Verdict != verdict.Pass {
				results[i].Outcome, results[i].Again = Failed, r
				f.Why = name + " did not stay healthy while it soaked"
				return nil
			}
		}
	}
	return nil
}
