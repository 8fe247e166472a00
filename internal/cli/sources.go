package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/prose"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/sources"
)

func newSources(s Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sources",
		Short: "Fetch, list and prune what rehearsals take from outside",
		Long: `What rehearsals fetch from outside (charts, packages, other Git repositories) is
kept in $SEATRIAL_CACHE (by default seatrial in the user's cache folder), so that
later ones need no network.`,
	}
	cmd.AddCommand(newSourcesList(s), newSourcesPull(s), newSourcesPrune(s))
	return group(cmd)
}

// newSourcesPull is a rehearsal whose verdict does not count: which requests a repo leads to, its
// controllers alone know.
func newSourcesPull(s Streams) *cobra.Command {
	v := &verify{Streams: s, began: time.Now(), console: console.New(s.Err), output: newOutput(), pull: true}
	cmd := &cobra.Command{
		Use:   "pull [DIR]",
		Short: "Fetch all that the Flux repo in DIR takes from outside, by rehearsing it",
		Long: `Rehearse the Flux repo in DIR (the working folder by default) with its real
sources, and keep what they answer: in the cache, or in a folder that rehearsals
on other machines are given as --vendor-dir. What was fetched before is fetched
again only if it has changed. What can't be fetched fails the command, and so does
a layer that does not reconcile, as it may hide what others would have asked for;
what was fetched is kept all the same.`,
		Example: `  seatrial sources pull
  seatrial sources pull --vendor-dir ../vendor && seatrial verify --sources cached --vendor-dir ../vendor`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				v.dir = args[0]
			}
			if err := v.tiers.sources.Set(string(egress.Live)); err != nil {
				return err
			}
			v.tiers.fills = true
			return v.run(cmd.Context())
		},
	}
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	v.registerAll(all)
	for _, name := range []string{"path", "age-key", "pgp-key", "timeout", "vendor-dir", "unconfined", "logs"} {
		cmd.Flags().AddFlag(all.Lookup(name))
	}
	cmd.Flags().Lookup("vendor-dir").Usage = "folder to fill, instead of the cache"
	return cmd
}

// writePulled says what a pull has fetched, and fails if something could not be.
func (v *verify) writePulled(r *report.Report) error {
	n := 0
	for _, a := range r.Egress {
		if a.Origin == egress.Tunnel {
			v.console.Note(a.URL + " is reached over TLS that ends at the controller, so that nothing of it can be kept")
		}
		if a.Origin.Real() && a.Origin != egress.Tunnel && a.Status == http.StatusOK && a.Why == "" {
			n++
			if _, err := fmt.Fprintln(v.Out, a.URL, a.Digest); err != nil {
				return err
			}
		}
	}
	v.pulled = exitPass
	for _, a := range egress.Unanswered(r.Egress) {
		v.pulled = exitFail
		v.console.Note("could not be fetched: " + a.String())
	}
	if unfinished := len(r.Layers) - r.Reconciled(); unfinished > 0 {
		v.pulled = exitFail
		v.console.Note(prose.Count(unfinished, "layer") + " did not reconcile, so that what is needed may not be complete: seatrial verify --sources live says why")
	}
	v.console.Note("fetched " + prose.Count(n, "answer"))
	return nil
}

func newSourcesList(s Streams) *cobra.Command {
	output := newOutput()
	vendor := ""
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what has been fetched, with sizes and dates",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := sourcesDir(vendor)
			if err != nil {
				return err
			}
			all, err := sources.List(dir)
			if err != nil {
				return err
			}
			if output.value == outputJSON {
				if all == nil {
					all = []sources.Entry{}
				}
				e := json.NewEncoder(s.Out)
				e.SetIndent("", "  ")
				return e.Encode(all)
			}
			w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
			var total int64
			fmt.Fprintln(w, "URL\tDIGEST\tSIZE\tFETCHED\tUSED")
			for _, e := range all {
				total += e.Size
				if e.Status == http.StatusOK && e.Size > 0 {
					fmt.Fprintf(w, "%s\t%.19s\t%s\t%s\t%s\n", e.URL, e.Digest, size(e.Size), e.Fetched.Local().Format(time.DateTime), e.Used.Local().Format(time.DateTime))
				}
			}
			if err := w.Flush(); err != nil {
				return err
			}
			console.New(s.Err).Note(fmt.Sprintf("%s in %s, %s", prose.Count(len(all), "answer"), dir, size(total)))
			return nil
		},
	}
	cmd.Flags().VarP(&output, "output", "o", "what to print on stdout")
	cmd.Flags().StringVar(&vendor, "vendor-dir", "", "of this folder, instead of the cache")
	return cmd
}

func newSourcesPrune(s Streams) *cobra.Command {
	var age time.Duration
	var all bool
	vendor := ""
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove what no rehearsal has used for a while",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if age < 0 {
				return fmt.Errorf("--unused must not be negative, as %s is", age)
			}
			dir, err := sourcesDir(vendor)
			if err != nil {
				return err
			}
			since := time.Now().Add(-age)
			if all {
				since = time.Now().Add(time.Hour)
			}
			n, freed, err := sources.Prune(dir, since)
			console.New(s.Err).Note(fmt.Sprintf("removed %s, %s", prose.Count(n, "answer"), size(freed)))
			return err
		},
	}
	cmd.Flags().DurationVar(&age, "unused", 30*24*time.Hour, "for how long nothing has used it")
	cmd.Flags().BoolVar(&all, "all", false, "remove everything")
	cmd.Flags().StringVar(&vendor, "vendor-dir", "", "of this folder, instead of the cache")
	return cmd
}

// sourcesDir is the vendor folder, if one is given, or the cache of sources.
func sourcesDir(vendor string) (string, error) {
	if vendor == "" {
		return sources.Dir()
	}
	_, err := sources.OpenVendor(vendor)
	return vendor, err
}

func size(n int64) string {
	if n < 100_000 {
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
