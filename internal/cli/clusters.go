package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/prose"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/sandbox"
)

// handClusters hands the folders of a repo's clusters out of the sandbox, and ends the run: each is rehearsed in
// a run of its own.
func handClusters(box *sandbox.Sandbox, paths []string) error {
	b, err := json.Marshal(paths)
	if err != nil {
		return err
	}
	if err := box.Hand(parcelClusters, "", b); err != nil {
		return err
	}
	return exit(exitPass)
}

// splits says whether a repo of several clusters can be rehearsed one after the other.
func (v *verify) splits() bool { return !v.keep && !v.pull }

// each rehearses the clusters that a run has found, as many at a time as --jobs says, and returns the exit code of all. A
// cluster whose run breaks does not keep the others from theirs. What a run tells while others run is printed at its end.
func (v *verify) each(ctx context.Context, options sandbox.Options) (int, error) {
	how := "one after the other"
	if v.jobs > 1 {
		how = fmt.Sprintf("%d at a time", v.jobs)
	}
	v.console.Note("the repo holds " + prose.Count(len(v.clusters), "cluster") + ", which are rehearsed " + how + ": " + strings.Join(v.clusters, ", "))
	codes, failed := make([]int, len(v.clusters)), make([]error, len(v.clusters))
	var group errgroup.Group
	group.SetLimit(v.jobs)
	for i, p := range v.clusters {
		group.Go(func() error {
			o := options
			o.Args, o.Share = withPath(os.Args[1:], p), min(v.jobs, len(v.clusters))
			o.Receive = func(parcel sandbox.Parcel, pid int, _ string) error { return v.receive(ctx, parcel, pid, p) }
			var told bytes.Buffer
			if v.jobs > 1 {
				v.console.Note("rehearsing " + p)
				o.Stderr = &told
			}
			codes[i], failed[i] = exitUsage, ctx.Err()
			if failed[i] == nil {
				codes[i], failed[i] = sandbox.Run(ctx, o)
			}
			v.mu.Lock()
			defer v.mu.Unlock()
			if v.jobs > 1 {
				_, err := told.WriteTo(v.Err)
				failed[i] = errors.Join(failed[i], err, v.print(p))
			}
			if failed[i] != nil {
				codes[i], failed[i] = exitUsage, fmt.Errorf("%s: %w", p, failed[i])
			}
			return nil
		})
	}
	_ = group.Wait() // no function returns an error
	worst := exitPass
	for _, code := range codes {
		if code == exitFail || code == exitUsage && worst == exitPass {
			worst = code
		}
	}
	if len(v.all) < len(v.clusters) && worst == exitPass {
		worst = exitUsage // a report is missing
	}
	return worst, errors.Join(append(failed, v.writeAll())...)
}

// withPath adds the flag --path to a command line.
func withPath(args []string, path string) []string {
	flag := "--path=" + path
	if i := slices.Index(args, "--"); i >= 0 {
		return slices.Insert(slices.Clone(args), i, flag)
	}
	return append(slices.Clone(args), flag)
}

// writeAll writes the one report of all clusters where it was asked for. For a person, each was printed as it came.
func (v *verify) writeAll() error {
	all := report.NewList(v.clusters, v.all)
	var failed []error
	for _, file := range v.reports {
		failed = append(failed, all.WriteFile(file))
	}
	if v.output.value == outputJSON {
		return errors.Join(append(failed, all.WriteJSON(v.Out))...)
	}
	_, err := fmt.Fprintf(v.Out, "\n%s", all.Summary())
	return errors.Join(append(failed, err)...)
}

// received keeps the report of one of several clusters, and prints it for a person.
func (v *verify) received(r *report.Report) error {
	v.all = append(v.all, r)
	if v.jobs > 1 {
		return nil // printed when the run has told all
	}
	return v.print(cmp.Or(r.Path, "."))
}

// print writes the report of one of several clusters for a person.
func (v *verify) print(path string) error {
	i := slices.IndexFunc(v.all, func(r *report.Report) bool { return cmp.Or(r.Path, ".") == path })
	if i < 0 || v.output.value == outputJSON {
		return nil
	}
	return v.all[i].WriteText(v.Out, v.timings)
}

// logFile is where a log is written: in a folder for each cluster, if there are several.
func (v *verify) logFile(name, cluster string) (string, error) {
	dir := v.logs
	if cluster != "" {
		dir = filepath.Join(dir, strings.ReplaceAll(cluster, "/", "-"))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", hint.Wrap(fmt.Errorf("write the logs: %w", err), "give --logs a folder that you may write to")
		}
	}
	return filepath.Join(dir, name), nil
}
