package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/evidence"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/sandbox"
	"seatrial.dev/seatrial/internal/secrets"
)

// verify holds the flags of the verb verify, and its input and output.
type verify struct {
	Streams
	console *console.Console
	began   time.Time

	dir        string
	path       string
	urls       []string         // snapshot: the repo's own addresses
	clusters   []string         // outside: the folders of several clusters
	mu         sync.Mutex       // over all, and the output, while several are rehearsed
	all        []*report.Report // received: of several clusters
	jobs       int
	ageKey     string
	pgpKey     string
	timeout    time.Duration
	reports    reportFiles
	logs       string
	output     choice
	timings    bool
	keep       bool
	unconfined bool
	tiers      tierFlags
	declares   platformFlags
	attest     attestFlags
	signer     *evidence.Key // outside
	pull       bool          // of seatrial sources pull: what is fetched counts, not the verdict
	pulled     int           // writePulled: the exit code then
}

// given is what the outer process passes to the inner one, in the sandbox.
type given struct {
	// Key is the text of the age and PGP keys; empty if there is none.
	Key []byte `json:"key,omitempty"`
	// Engine are the folders of the engine, by family.
	Engine map[string]string `json:"engine,omitempty"`
	// Began is when the command was started.
	Began time.Time `json:"began"`
	// EngineSeconds is how long it took to build or find the engine.
	EngineSeconds float64 `json:"engineSeconds"`
}

// The kinds of parcels that the inner process hands to the outer one.
const (
	parcelReport = "report"
	parcelLog    = "log"
	parcelKept   = "kept"
	// parcelClusters are the folders of a repo's several clusters, each of which is a run of its own.
	parcelClusters = "clusters"
)

func newVerify(s Streams) *cobra.Command {
	v := &verify{Streams: s, began: time.Now(), console: console.New(s.Err), output: newOutput()}
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
	v.registerAll(cmd.Flags())
	return cmd
}

// registerAll defines the flags.
func (v *verify) registerAll(f *pflag.FlagSet) {
	f.StringVar(&v.path, "path", "", "folder that Flux is bootstrapped on, relative to the repo (default: found)")
	f.StringVar(&v.ageKey, "age-key", "", "file with the age key of the repo's SOPS files, - for stdin (default: $SOPS_AGE_KEY or $SOPS_AGE_KEY_FILE; without a key, values are placeholders)")
	f.StringVar(&v.pgpKey, "pgp-key", "", pgpHelp)
	f.DurationVar(&v.timeout, "timeout", 10*time.Minute, "longest time for the layers to reconcile")
	f.Var(&v.reports, "report", "write the report to this file, in the format of its extension: "+report.Extensions()+"; may be repeated")
	f.IntVar(&v.jobs, "jobs", 1, "how many of a repo's clusters are rehearsed at a time; they share the memory")
	f.StringVar(&v.logs, "logs", "", "write the controllers' logs, and what flux and kubectl tell of failures, into this folder")
	f.VarP(&v.output, "output", "o", "what to print on stdout")
	f.BoolVar(&v.timings, "timings", false, "print the critical path as well: what the verdict waited for, how long, and whose time it was")
	f.BoolVar(&v.keep, "keep", false, "leave the cluster up and say how to reach and end it")
	f.BoolVar(&v.unconfined, "unconfined", false, "rehearse even where this machine can't keep the repo from its files and network: for repos that you trust")
	v.tiers.register(f)
	v.declares.register(f)
	v.attest.register(f)
}

func (v *verify) run(ctx context.Context) error {
	if err := v.validate(); err != nil {
		return err
	}
	inUse := []string{v.dir}
	if !v.tiers.is(tierEmbedded) {
		inUse = append(append(inUse, os.Getenv("DOCKER_CERT_PATH")), v.tiers.files()...)
		if command, err := exec.LookPath("docker"); err == nil {
			inUse = append(inUse, command)
		}
	}
	var g given
	ctx, box, err := sandbox.Inside(ctx, &g, func() []string { return append(inUse, slices.Collect(maps.Values(g.Engine))...) })
	if err != nil {
		return err
	}
	if box == nil {
		return v.outside(ctx)
	}
	if !box.HostNetwork {
		// Whatever this process is doing: who asks for its end gets it.
		context.AfterFunc(ctx, func() { time.AfterFunc(interruptedWithin, func() { v.interrupted(ctx, box) }) })
	}
	err = v.inside(ctx, box, g)
	if errors.Is(context.Cause(ctx), sandbox.ErrAbandoned) {
		return exit(exitUsage) // the outer process is gone, so nobody reads a message
	}
	var code exit
	if err != nil && !errors.As(err, &code) && !errors.Is(err, context.Canceled) {
		v.console.Error(err) // printed here, as this process's console conceals secret values
		return exit(exitUsage)
	}
	return err
}

// interrupted ends this process if it has not ended by itself.
func (v *verify) interrupted(ctx context.Context, box *sandbox.Sandbox) {
	if !errors.Is(context.Cause(ctx), sandbox.ErrAbandoned) {
		v.console.Error(errors.New("interrupted"))
	}
	box.Abort()
}

// interruptedWithin is how long a run may take to end by itself when it is asked to.
const interruptedWithin = 600 * time.Millisecond

// validate refuses what can't work before anything is built or written.
func (v *verify) validate() error {
	if err := v.tiers.validate(); err != nil {
		return err
	}
	if err := v.attest.validate(v.dir); err != nil {
		return err
	}
	if v.jobs < 1 || v.jobs > 64 {
		return fmt.Errorf("--jobs must be between 1 and 64, not %d", v.jobs)
	}
	if v.timeout <= 0 {
		return fmt.Errorf("--timeout must be positive, not %s", v.timeout)
	}
	if v.dir != "" {
		if info, err := os.Stat(v.dir); err != nil || !info.IsDir() {
			return hint.Wrap(fmt.Errorf("%s is not a folder", v.dir), "give the folder of a Flux repo")
		}
	}
	if _, err := declaredIn(cmp.Or(v.dir, ".")); err != nil { // before the engine is built; the tree's own is read again
		return err
	}
	if within, err := inside(v.tiers.vendorDir, v.dir); err != nil {
		return err
	} else if within {
		return hint.New("--vendor-dir: "+v.tiers.vendorDir+" is in the repo's folder", "keep it elsewhere: a change to the repo could bring what it is rehearsed with")
	}
	for _, file := range v.reports {
		if info, err := os.Stat(filepath.Dir(file)); err != nil || !info.IsDir() {
			return fmt.Errorf("--report: %s is not a folder: make it first", filepath.Dir(file))
		}
		if err := writable(file); err != nil {
			return fmt.Errorf("--report: %w", err)
		}
	}
	if v.keep {
		dir, err := keptDir()
		if err == nil {
			err = os.MkdirAll(dir, 0o700)
		}
		if err == nil {
			err = writable(filepath.Join(dir, "kubeconfig"))
		}
		if err != nil {
			return hint.Wrap(fmt.Errorf("--keep: no place for the kubeconfig: %w", err), "set "+engine.CacheEnv+" to a folder that you may write to")
		}
	}
	if v.logs != "" {
		if err := os.MkdirAll(v.logs, 0o755); err != nil {
			return fmt.Errorf("--logs: %w", err)
		}
	}
	return nil
}

// writable returns an error if a file can't be written, without changing the file.
func writable(file string) error {
	what := file
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		what = filepath.Dir(file)
	}
	if err := unix.Access(what, unix.W_OK); err != nil {
		return &fs.PathError{Op: "write", Path: what, Err: err}
	}
	return nil
}

// outside is the outer process: it builds what the engine lacks, starts this command again
// in a sandbox, and writes the reports, logs and kubeconfigs that it receives from there.
func (v *verify) outside(ctx context.Context) error {
	start := time.Now()
	key, err := secrets.FindKeys(v.ageKey, v.pgpKey, v.In)
	if err != nil {
		return err
	}
	if v.signer, err = evidence.FindKey(v.attest.key, v.In); err != nil { // it does not enter the sandbox
		return err
	}
	g := given{Began: v.began}
	if key != nil {
		g.Key = key.Whole()
	}
	options := sandbox.Options{
		Args: os.Args[1:], Listen: v.keep && v.tiers.is(tierEmbedded), HostNetwork: !v.tiers.is(tierEmbedded),
		Unconfined: v.unconfined || !v.tiers.is(tierEmbedded), Abrupt: v.tiers.is(tierEmbedded),
		Payload: &g, Receive: func(p sandbox.Parcel, pid int, _ string) error { return v.receive(ctx, p, pid, "") },
	}
	if v.tiers.is(tierEmbedded) {
		if g.Engine, err = v.engine(ctx); err != nil {
			return err
		}
		reach, err := v.outsideServer()
		if err != nil {
			return err
		}
		options.Serve = func(conn net.Conn) { egress.ServeLink(conn, reach) }
		defer func() {
			if err := reach.Kept(); err != nil {
				v.console.Note(err.Error())
			}
		}()
	}
	g.EngineSeconds = time.Since(start).Seconds()
	v.pulled = exitUsage
	code, err := sandbox.Run(ctx, options)
	if err == nil && len(v.clusters) > 0 {
		g.Began, g.EngineSeconds = time.Now(), 0
		code, err = v.each(ctx, options)
	}
	if err != nil {
		return err
	}
	if v.pull {
		code = v.pulled
	}
	return exit(code)
}

// engine builds the families that the cache lacks, verifies all of them, and returns
// their folders by family.
func (v *verify) engine(ctx context.Context) (map[string]string, error) {
	cache, err := openCache(ctx)
	if err != nil {
		return nil, err
	}
	if err := ensureEngine(ctx, cache, v.console); err != nil {
		return nil, err
	}
	if err := cache.Verify(ctx, false); err != nil {
		return nil, err
	}
	built, err := cache.Engine()
	if err != nil {
		return nil, err
	}
	return built.Dirs(), nil
}

// receive writes a parcel that the inner process hands over. of is the folder of one of several clusters, or "".
func (v *verify) receive(ctx context.Context, p sandbox.Parcel, pid int, of string) error {
	switch p.Kind {
	case parcelReport:
		var r report.Report
		if err := json.Unmarshal(p.Data, &r); err != nil {
			return fmt.Errorf("read the report: %w", err)
		}
		if v.pull {
			return v.writePulled(&r)
		}
		if of != "" {
			v.mu.Lock() // others may come at the same time
			defer v.mu.Unlock()
			return errors.Join(v.received(&r), v.attest.keep(ctx, &r, v.dir, v.signer, v.console))
		}
		return errors.Join(v.write(&r), v.attest.keep(ctx, &r, v.dir, v.signer, v.console))
	case parcelLog:
		if v.logs == "" || p.Name != filepath.Base(p.Name) || strings.HasPrefix(p.Name, ".") {
			return fmt.Errorf("a log can't be named %q", p.Name)
		}
		file, err := v.logFile(p.Name, of)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, p.Data, 0o644); err != nil {
			return fmt.Errorf("write the logs: %w", err)
		}
		return nil
	case parcelClusters:
		if err := json.Unmarshal(p.Data, &v.clusters); err != nil {
			return fmt.Errorf("read the clusters of the repo: %w", err)
		}
		return nil
	case parcelKept:
		var kept cluster.Kept
		if err := json.Unmarshal(p.Data, &kept); err != nil {
			return fmt.Errorf("read how to reach the cluster: %w", err)
		}
		return v.writeKept(kept, pid)
	}
	return fmt.Errorf("the sandbox handed over a %q", p.Kind)
}

// write writes the report where it was asked for.
func (v *verify) write(r *report.Report) error {
	var failed []error // each of them gets its chance
	for _, file := range v.reports {
		failed = append(failed, r.WriteFile(file))
	}
	if v.output.value == outputJSON {
		return errors.Join(append(failed, r.WriteJSON(v.Out))...)
	}
	return errors.Join(append(failed, r.WriteText(v.Out, v.timings))...)
}
