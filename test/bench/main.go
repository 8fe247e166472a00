// Command bench times a build of seatrial on repos of different sizes, as whole processes from
// outside: see docs/performance.md.
//
//	go run ./test/bench path/to/seatrial                      # the embedded tier, warm
//	go run ./test/bench -cluster kind path/to/seatrial        # the same repos on kind
//	go run ./test/bench -cold path/to/seatrial                # the sample, with an empty cache
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"seatrial.dev/seatrial/test/repos"
)

// bench is what is asked for.
type bench struct {
	seatrial string
	runs     int
	args     []string // of verify, beside the repo
	work     string
}

func main() {
	sizes := flag.String("layers", "1,10,50,100,300", "sizes of the generated repos, in layers")
	only := flag.String("only", "", "time only the repo of this name: sample, catalogue, a fixture's, or a number of layers")
	runs := flag.Int("runs", 5, "runs of each; the median is told")
	tier := flag.String("cluster", "embedded", "tier to rehearse on")
	cold := flag.Bool("cold", false, "time one run with an empty cache, in which the engine is built")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: go run ./test/bench [flags] SEATRIAL [-- FLAGS OF VERIFY]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *sizes, *only, *runs, append([]string{"--cluster", *tier}, flag.Args()[1:]...), *cold); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
}

func run(seatrial, sizes, only string, runs int, args []string, cold bool) error {
	seatrial, err := filepath.Abs(seatrial)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "seatrial-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	b := &bench{seatrial: seatrial, runs: runs, args: args, work: work}
	fmt.Println("| repo | verdict | wall s | min–max | CPU s | peak MiB |\n| --- | --- | --- | --- | --- | --- |")
	if cold {
		b.runs = 1
		cache, err := os.MkdirTemp(work, "cache-")
		if err != nil {
			return err
		}
		return b.time("sample, cold", "", "SEATRIAL_CACHE="+cache)
	}
	all, err := b.repos(sizes)
	if err != nil {
		return err
	}
	for _, r := range all {
		if only != "" && r.name != only {
			continue
		}
		if err := b.time(r.name, r.dir); err != nil {
			return err
		}
	}
	return nil
}

// repo is something to rehearse. Without dir it is the sample.
type repo struct{ name, dir string }

// repos makes the repos to rehearse.
func (b *bench) repos(sizes string) ([]repo, error) {
	catalogue := filepath.Join(b.work, "catalogue")
	if err := repos.Catalogue(b.seatrial, catalogue); err != nil {
		return nil, err
	}
	out := []repo{{"sample", ""}, {"catalogue", catalogue}}
	for _, size := range strings.Split(sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-layers: %q is not a number of layers", size)
		}
		dir := filepath.Join(b.work, "layers-"+size)
		if err := writeLayers(dir, n); err != nil {
			return nil, err
		}
		out = append(out, repo{size, dir})
	}
	fixtures, err := repos.Fixtures()
	if err != nil {
		return nil, err
	}
	for _, dir := range fixtures {
		out = append(out, repo{filepath.Base(dir), dir})
	}
	return out, nil
}

// time rehearses a repo some times and prints the medians.
func (b *bench) time(name, dir string, env ...string) error {
	args := append([]string{"verify"}, b.args...)
	if dir != "" {
		args = append(args, dir)
	}
	empty := filepath.Join(b.work, "empty")
	if err := os.MkdirAll(empty, 0o755); err != nil {
		return err
	}
	var all []sample
	for range b.runs {
		cmd := exec.Command(b.seatrial, args...)
		cmd.Env = append(os.Environ(), env...)
		if dir == "" {
			cmd.Dir = empty // the sample is rehearsed where there is no repo
		}
		s, err := measure(cmd)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, s)
	}
	wall := func(s sample) float64 { return s.wall }
	slices.SortFunc(all, func(a, b sample) int { return cmp.Compare(a.wall, b.wall) })
	fmt.Printf("| %s | %s | %.1f | %.1f–%.1f | %.1f | %.0f |\n", name, all[0].verdict, median(all, wall), all[0].wall, all[len(all)-1].wall,
		median(all, func(s sample) float64 { return s.cpu }), median(all, func(s sample) float64 { return s.peak }))
	return nil
}

func median(all []sample, of func(sample) float64) float64 {
	var v []float64
	for _, s := range all {
		v = append(v, of(s))
	}
	slices.Sort(v)
	return v[len(v)/2]
}
