package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/cluster/embedded"
	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/generate"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/rehearse"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/sandbox"
	"seatrial.dev/seatrial/internal/secrets"
)

// verify is the verb's flags and surroundings.
type verify struct {
	Streams
	console *console.Console

	dir             string
	path            string
	cluster         string
	ageKey          string
	globalNamespace string
	timeout         time.Duration
	report          string
	output          string
	keep            bool
	engineSeconds   float64
}

func newVerify(s Streams) *cobra.Command {
	v := &verify{Streams: s, console: console.New(s.Err)}
	cmd := &cobra.Command{
		Use:   "verify [DIR]",
		Short: "Rehearse a Flux repo on a real control plane and watch every layer reconcile",
		Long: `Rehearse the Flux repo in DIR (the working folder by default): its committed
tree, or with a note its uncommitted one. Without a repo, the sample blueprint's
is generated and rehearsed.

The first run builds the control plane and the controllers from source, which
takes minutes; later ones take seconds. Nothing is left behind.`,
		Example: `  seatrial verify
  seatrial verify --path clusters/production --age-key age.agekey --report report.json`,
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
	f.StringVar(&v.cluster, "cluster", "embedded", "where to rehearse: embedded")
	f.StringVar(&v.ageKey, "age-key", "", "file with the age key of the repo's SOPS files, - for stdin (default: $SOPS_AGE_KEY or $SOPS_AGE_KEY_FILE; without a key, values are placeholders)")
	f.StringVar(&v.globalNamespace, "packaging-global-namespace", "tkg-system", "namespace whose Carvel packages all namespaces see")
	f.DurationVar(&v.timeout, "timeout", 10*time.Minute, "longest time for the layers to reconcile")
	f.StringVar(&v.report, "report", "", "write the report to this file, as JSON")
	f.StringVarP(&v.output, "output", "o", "text", "what to print on stdout: text or json")
	f.BoolVar(&v.keep, "keep", false, "leave the cluster up and say how to reach and end it")
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
	ctx, box, err := sandbox.Inside(ctx, v.dir, v.ageKey, os.Getenv(secrets.KeyFileEnv), v.report, cache.Dir)
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
	if v.cluster != "embedded" {
		return &console.Hinted{Err: fmt.Errorf("unknown cluster %q", v.cluster), Hint: "use --cluster embedded"}
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
	if v.report != "" {
		if info, err := os.Stat(filepath.Dir(v.report)); err != nil || !info.IsDir() {
			return fmt.Errorf("--report: %s is not a folder", filepath.Dir(v.report))
		}
	}
	return nil
}

// outside builds what is missing and starts this command again in a sandbox.
func (v *verify) outside(ctx context.Context, cache *engine.Cache) error {
	start := time.Now()
	if err := ensureEngine(ctx, cache, v.console); err != nil {
		return err
	}
	args := append(os.Args[1:], fmt.Sprintf("--engine-seconds=%.3f", time.Since(start).Seconds()))
	code, err := sandbox.Run(ctx, sandbox.Options{Args: args, Listen: v.keep})
	if err != nil {
		return err
	}
	return exit(code)
}

// inside rehearses.
func (v *verify) inside(ctx context.Context, box *sandbox.Sandbox, cache *engine.Cache) error {
	if !box.Namespaces {
		v.console.Note("this machine grants no private namespaces (" + box.Why + "): running on its loopback")
	}
	built, err := cache.Engine()
	if err != nil {
		return err
	}
	versions, err := engine.Versions()
	if err != nil {
		return err
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
	cluster := embedded.New(embedded.Options{Engine: built, Sandbox: box, PackagingGlobalNamespace: v.globalNamespace})
	r, err := rehearse.Run(ctx, rehearse.Options{
		Dir: dir, Path: v.path, Key: key, Exclude: v.keyFiles(), Timeout: v.timeout, State: box.Dir, Versions: versions,
	}, cluster, v.console)
	if err != nil {
		_ = cluster.Down()
		return err
	}
	r.Timings.Engine = v.engineSeconds
	if !v.keep {
		start := time.Now()
		if err := cluster.Down(); err != nil {
			return err
		}
		r.Timings.Teardown = time.Since(start).Seconds()
	}
	if err := v.publish(r); err != nil {
		_ = cluster.Down()
		return err
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
	roots, err := gitops.Roots(os.DirFS(wd))
	if err != nil {
		return "", nil, err
	}
	if len(roots) > 0 {
		return wd, key, nil
	}
	v.console.Note("no Flux repo here: rehearsing the sample blueprint's")
	if key, err = secrets.NewKey(); err != nil {
		return "", nil, err
	}
	b := blueprint.Default()
	b.Recipients = key.Recipients()
	files, err := generate.Render(b, generate.NewCredentials(), nil)
	if err != nil {
		return "", nil, err
	}
	dir := filepath.Join(box.Dir, "sample")
	return dir, key, generate.Write(dir, files, b.Recipients)
}

// publish writes the report where it was asked for.
func (v *verify) publish(r *report.Report) error {
	if v.report != "" {
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(v.report, append(b, '\n'), 0o644); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	if v.output == "json" {
		return r.WriteJSON(v.Out)
	}
	return r.WriteText(v.Out)
}

// sweepKept removes what clusters left that were ended by force.
func sweepKept(dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.kubeconfig"))
	if err != nil {
		return
	}
	for _, file := range files {
		if _, err := os.Stat("/proc/" + strings.TrimSuffix(filepath.Base(file), ".kubeconfig")); err != nil {
			_ = os.Remove(file) // one that can't be removed is tried again next time
		}
	}
}

// stay hands the cluster over to the user: this process goes on alone until it
// is told to end.
func (v *verify) stay(ctx context.Context, box *sandbox.Sandbox, cluster *embedded.Cluster, cache *engine.Cache, code int) error {
	kubeconfig, err := cluster.Kubeconfig()
	if err != nil {
		return err
	}
	dir := filepath.Join(filepath.Dir(cache.Dir), "kept")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	sweepKept(dir)
	pid := box.HostPID()
	file := filepath.Join(dir, fmt.Sprintf("%d.kubeconfig", pid))
	if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
		return err
	}
	defer os.Remove(file)
	v.console.Note("the cluster stays up: export KUBECONFIG=" + file)
	v.console.Note(fmt.Sprintf("end it with: kill %d", pid))
	if err := box.Keep(code); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-cluster.Failed():
	}
	_ = cluster.Down()
	return exit(code)
}
