package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/rehearse"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/sandbox"
	"seatrial.dev/seatrial/internal/secrets"
)

// verify is the verb's flags and surroundings.
type verify struct {
	Streams
	console *console.Console

	dir           string
	path          string
	cluster       string
	sources       string
	ageKey        string
	timeout       time.Duration
	reports       []string
	logs          string
	output        string
	keep          bool
	engineSeconds float64
	tiers         tierFlags
}

func newVerify(s Streams) *cobra.Command {
	v := &verify{Streams: s, console: console.New(s.Err)}
	cmd := &cobra.Command{
		Use:   "verify [DIR]",
		Short: "Rehearse a Flux repo on a real control plane and watch every layer reconcile",
		Long: `Rehearse the Flux repo in DIR (the working folder by default): its committed
tree, or with a note its uncommitted one. In an empty folder, or a clone of
Seatrial, the sample blueprint's repo is generated and rehearsed.

Where it is rehearsed:
  embedded  a control plane and the real controllers as processes of this
            machine; pods are simulated. The first run builds them from source,
            which takes minutes; later ones take seconds.
  kind      a cluster of containers with a real kubelet and a Gitea, in which the
            flux command bootstraps Flux. Needs Docker; takes minutes.
  existing  a scratch cluster of yours. It must not run Flux.
Nothing is left behind, unless --keep says so.`,
		Example: `  seatrial verify
  seatrial verify --path clusters/production --age-key age.agekey --report report.json
  seatrial verify --cluster kind --report report.json --report junit.xml --logs logs
  seatrial verify --cluster existing --kubeconfig scratch.kubeconfig`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				v.dir = args[0]
			}
			return v.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&v.path, "path", "", "folder that Flux is bootstrapped on, relative to the repo (default: found)")
	f.StringVar(&v.cluster, "cluster", tierEmbedded, "where to rehearse: embedded, kind or existing")
	f.StringVar(&v.sources, "sources", sourcesStandIn, "where known charts and packages come from: stand-in, or upstream (not with --cluster embedded)")
	f.StringVar(&v.ageKey, "age-key", "", "file with the age key of the repo's SOPS files, - for stdin (default: $SOPS_AGE_KEY or $SOPS_AGE_KEY_FILE; without a key, values are placeholders)")
	f.DurationVar(&v.timeout, "timeout", 10*time.Minute, "longest time for the layers to reconcile")
	f.StringArrayVar(&v.reports, "report", nil, "write the report to this file: JSON, or by its extension .xml (JUnit), .md (Markdown) or .txt; may be repeated")
	f.StringVar(&v.logs, "logs", "", "write the controllers' logs, and what flux and kubectl tell of failures, into this folder")
	f.StringVarP(&v.output, "output", "o", "text", "what to print on stdout: text or json")
	f.BoolVar(&v.keep, "keep", false, "leave the cluster up and say how to reach and end it")
	v.tiers.register(f)
	f.Float64Var(&v.engineSeconds, "engine-seconds", 0, "")
	if err := f.MarkHidden("engine-seconds"); err != nil {
		panic(err) // a constant, defined flag
	}
	return cmd
}

func (v *verify) run(ctx context.Context) error {
	if err := v.validate(); err != nil {
		return err
	}
	cache, err := engine.OpenCache(ctx)
	if err != nil {
		return err
	}
	inUse := append([]string{v.dir, v.ageKey, os.Getenv(secrets.KeyFileEnv), v.logs, cache.Dir, os.Getenv("DOCKER_CERT_PATH")}, v.reports...)
	if command, err := exec.LookPath("docker"); err == nil {
		inUse = append(inUse, command)
	}
	ctx, box, err := sandbox.Inside(ctx, append(inUse, v.tiers.files()...)...)
	if err != nil {
		return err
	}
	if box == nil {
		return v.outside(ctx, cache)
	}
	err = v.inside(ctx, box, cache)
	if errors.Is(context.Cause(ctx), sandbox.ErrAbandoned) {
		return exit(exitUsage) // nobody is there to be told
	}
	return err
}

// validate refuses what can't work before anything is built or written.
func (v *verify) validate() error {
	for _, file := range v.reports {
		if err := report.ValidFile(file); err != nil {
			return &console.Hinted{Err: fmt.Errorf("--report: %w", err), Hint: "name it .json, .xml (JUnit), .md or .txt"}
		}
	}
	if err := v.tiers.validate(v.cluster, v.sources); err != nil {
		return err
	}
	if err := validOutput(v.output); err != nil {
		return err
	}
	if v.timeout <= 0 {
		return fmt.Errorf("--timeout must be positive, not %s", v.timeout)
	}
	if v.dir != "" {
		if info, err := os.Stat(v.dir); err != nil || !info.IsDir() {
			return &console.Hinted{Err: fmt.Errorf("%s is not a folder", v.dir), Hint: "give the folder of a Flux repo"}
		}
	}
	for _, file := range v.reports {
		if info, err := os.Stat(filepath.Dir(file)); err != nil || !info.IsDir() {
			return fmt.Errorf("--report: %s is not a folder", filepath.Dir(file))
		}
	}
	if v.logs != "" {
		if err := os.MkdirAll(v.logs, 0o755); err != nil {
			return fmt.Errorf("--logs: %w", err)
		}
	}
	return nil
}

// outside builds what is missing and starts this command again in a sandbox.
func (v *verify) outside(ctx context.Context, cache *engine.Cache) error {
	start := time.Now()
	options := sandbox.Options{Listen: v.keep && v.cluster == tierEmbedded, HostNetwork: v.cluster != tierEmbedded}
	if v.cluster == tierEmbedded {
		if err := ensureEngine(ctx, cache, v.console); err != nil {
			return err
		}
	}
	options.Args = append(os.Args[1:], fmt.Sprintf("--engine-seconds=%.3f", time.Since(start).Seconds()))
	code, err := sandbox.Run(ctx, options)
	if err != nil {
		return err
	}
	return exit(code)
}

// inside rehearses.
func (v *verify) inside(ctx context.Context, box *sandbox.Sandbox, cache *engine.Cache) error {
	if !box.Namespaces && v.cluster == tierEmbedded {
		v.console.Note("this machine grants no private namespaces (" + box.Why + "): running on its loopback")
	}
	key, err := secrets.FindKey(v.ageKey, v.In)
	if err != nil {
		return err
	}
	dir := v.dir
	if dir == "" {
		if dir, key, err = v.findRepo(box, key); err != nil {
			return err
		}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	cluster, versions, err := v.provider(box, cache)
	if err != nil {
		return err
	}
	r, err := rehearse.Run(ctx, rehearse.Options{
		Dir: dir, Path: v.path, Key: key, Exclude: v.keyFiles(), Timeout: v.timeout, State: box.Dir, Versions: versions,
		Upstream: v.sources == sourcesUpstream, Logs: v.logs,
	}, cluster, v.console)
	if err != nil {
		return v.explained(errors.Join(err, cluster.Down()))
	}
	r.Timings.Engine = v.engineSeconds
	var left error
	if !v.keep {
		start := time.Now()
		left = cluster.Down()
		r.Timings.Teardown = time.Since(start).Seconds()
	}
	if err := v.publish(r); err != nil {
		return errors.Join(err, left, cluster.Down())
	}
	if left != nil {
		return left // after the report: the verdict stands
	}
	code := map[string]int{report.Pass: exitPass, report.Fail: exitFail, report.Inconclusive: exitUsage}[r.Verdict]
	if v.keep {
		return v.stay(ctx, box, cluster, cache, code)
	}
	return exit(code)
}

// keyFiles are the files that hold keys, which may lie in the repo's folder.
func (v *verify) keyFiles() []string {
	var out []string
	for _, file := range []string{v.ageKey, os.Getenv(secrets.KeyFileEnv)} {
		if abs, err := filepath.Abs(file); err == nil && file != "" && file != "-" {
			out = append(out, abs)
		}
	}
	return out
}

// findRepo takes the working folder if it holds a Flux repo, and generates the
// sample otherwise.
func (v *verify) findRepo(box *sandbox.Sandbox, key *secrets.Key) (string, *secrets.Key, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", nil, err
	}
	if v.path != "" {
		return wd, key, nil
	}
	if sample, err := wantsSample(wd); err != nil || !sample {
		return wd, key, err
	}
	v.console.Note("no Flux repo here: rehearsing the sample blueprint's")
	dir := filepath.Join(box.Dir, "sample")
	key, err = writeSample(dir)
	return dir, key, err
}

// publish writes the report where it was asked for.
func (v *verify) publish(r *report.Report) error {
	for _, file := range v.reports {
		if err := r.WriteFile(file); err != nil {
			return err
		}
	}
	if v.output == "json" {
		return r.WriteJSON(v.Out)
	}
	return r.WriteText(v.Out)
}
