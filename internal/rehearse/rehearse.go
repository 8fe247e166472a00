// Package rehearse is the rehearsal, as a list of steps to be read from top to bottom.
package rehearse

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"seatrial.dev/seatrial/internal/bootstrap"
	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/check"
	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/redact"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/secrets"
	"seatrial.dev/seatrial/internal/standin"
	"seatrial.dev/seatrial/internal/verdict"
)

// Options are what is rehearsed, and how.
type Options struct {
	Snapshot *gitrepo.Snapshot // the tree
	Path     string            // where Flux is bootstrapped; empty: the only place there is
	Key      *secrets.Key      // nil: SOPS files are re-made with placeholders
	// Upstream has sources fetched from where they are, with no stand-ins.
	Upstream bool
	// Log gets what the cluster can tell afterwards, as files; nil: none is wanted.
	Log func(name string, text []byte) error
	// Working is told what of the repo is read now.
	Working func(layer, file string)
	// Read is called when all of it is read; nothing else takes much of this process.
	Read func()
	// Timeout ends the rehearsal of the layers.
	Timeout time.Duration
	// State is a private, empty folder.
	State    string
	Versions map[string]string
}

// Console is told how a rehearsal goes.
type Console interface {
	// Step says what is done now; the returned function says that it is over.
	Step(title string) func(err error)
	// Note says something once.
	Note(text string)
	// Conceal has secret values taken out of all that is said from now on.
	Conceal(f func(string) string)
	// Layers shows the layers' state whenever it changes.
	Layers(layers []*verdict.Layer, elapsed time.Duration)
}

// rehearsal is what the steps share.
type rehearsal struct {
	Options
	console  Console
	cluster  cluster.Provider
	report   *report.Report
	snapshot *gitrepo.Snapshot
	repo     *gitops.Repo
	static   []finding.Finding
	failing  []cluster.Object
	booted   bool
	known    *redact.Set // every secret value that is known
}

// Run rehearses a repo on a cluster and says what became of it. The cluster is
// up when Run returns without an error; ending it is the caller's.
func Run(ctx context.Context, o Options, c cluster.Provider, console Console) (*report.Report, error) {
	r := &rehearsal{Options: o, console: console, cluster: c, known: redact.New(), report: report.New(c.Tier(), o.Versions)}
	for _, step := range []struct {
		title string
		time  *float64
		run   func(context.Context) error
	}{
		{"read the repo", nil, r.read},
		{"boot the cluster", &r.report.Timings.Boot, r.up},
		{"bootstrap Flux", &r.report.Timings.Bootstrap, r.bootstrap},
		{"", &r.report.Timings.Reconcile, r.reconcile},
	} {
		done := func(error) {}
		if step.title != "" {
			done = console.Step(step.title)
		}
		start := time.Now()
		err := step.run(ctx)
		if step.time != nil {
			*step.time = time.Since(start).Seconds()
		}
		done(err)
		if errors.Is(err, errTooLarge) {
			r.report.Conceal(r.known.Text)
			return r.report, nil
		}
		if err != nil {
			r.diagnose(ctx)
			return nil, err
		}
	}
	r.diagnose(ctx)
	if short := r.known.Short(); len(short) > 0 {
		r.report.BlindSpots = append(r.report.BlindSpots, fmt.Sprintf("values of fewer than %d characters are not taken out of messages: %s", redact.MinLength, strings.Join(short, "; ")))
	}
	if crowded := r.known.Crowded(); len(crowded) > 0 {
		r.report.BlindSpots = append(r.report.BlindSpots, fmt.Sprintf("values of too many lines or parts are taken out of messages as a whole only: %s", strings.Join(crowded, "; ")))
	}
	r.report.Conceal(r.known.Text)
	return r.report, nil
}

// maxLog is how much of a log's end is kept, in bytes.
const maxLog = 32 << 20

// diagnose collects what the cluster can tell, if that is wanted.
func (r *rehearsal) diagnose(ctx context.Context) {
	if r.Log == nil || !r.booted || ctx.Err() != nil { // who interrupts does not want to wait
		return
	}
	done := r.console.Step("collect logs")
	err := r.cluster.Diagnose(context.WithoutCancel(ctx), func(name string, text []byte) error {
		if concealed := r.known.Text(name); concealed != name && strings.HasPrefix(name, "describe-") {
			sum := sha256.Sum256([]byte(name)) // it names an object after a secret value
			name = "describe-" + hex.EncodeToString(sum[:4]) + ".txt"
		}
		if len(text) > maxLog { // from the start of a line: half a secret value is not known
			_, text, _ = bytes.Cut(text[len(text)-maxLog:], []byte("\n"))
		}
		return r.Log(name, []byte(r.known.Text(string(text))))
	}, r.failing)
	if done(err); err != nil {
		r.console.Note("the logs are not complete: " + err.Error()) // the verdict stands without them
	}
}

// read makes the model of the tree.
func (r *rehearsal) read(ctx context.Context) error {
	var err error
	r.snapshot = r.Snapshot
	r.report.Tree, r.report.Origin = r.snapshot.Tree, r.snapshot.Origin
	if r.snapshot.Dirty {
		r.console.Note("rehearsing " + r.snapshot.Origin)
	}
	files := filepath.Join(r.State, "tree")
	if err := os.MkdirAll(files, 0o700); err != nil {
		return err
	}
	if err := r.snapshot.Export(ctx, files); err != nil {
		return err
	}
	if r.Path, err = FindPath(files, r.Path, r.Working); err != nil {
		return err
	}
	if r.repo, err = gitops.Load(os.DirFS(files), r.Path, r.Working); err != nil {
		return err
	}
	r.known = secrets.Known(r.repo, r.Key)
	r.console.Conceal(r.known.Text)
	var o check.Options
	if r.Key != nil {
		o.KeyRecipients = r.Key.Recipients()
	}
	r.static = check.Run(r.repo, o)
	r.report.Path, r.report.Revision = r.Path, r.snapshot.Commit
	r.Read()
	if slices.ContainsFunc(r.static, func(f finding.Finding) bool { return f.Code == finding.TooLarge }) {
		r.report.Verdict, r.report.Findings = report.Fail, r.static
		return errTooLarge
	}
	if err := r.rekey(ctx, files); err != nil {
		return err
	}
	r.report.Revision = r.snapshot.Commit
	return nil
}

// errTooLarge says that the repo holds more than can be read, so that nothing is
// rehearsed: Flux's controllers would take the same memory and time.
var errTooLarge = errors.New("a file or layer is more than can be read")

// FindPath returns path, or the only place in the tree where Flux is bootstrapped.
func FindPath(dir, path string, working ...func(layer, file string)) (string, error) {
	if path != "" {
		return path, nil
	}
	roots, err := gitops.Roots(os.DirFS(dir), working...)
	if err != nil {
		return "", err
	}
	switch len(roots) {
	case 1:
		return roots[0], nil
	case 0:
		return "", errors.New("found no cluster in the repo: give --path the folder that Flux is bootstrapped on")
	default:
		return "", fmt.Errorf("the repo holds several clusters: give --path one of %s", strings.Join(roots, ", "))
	}
}

// up brings the cluster up.
func (r *rehearsal) up(ctx context.Context) error {
	var planned []cluster.Object
	for _, l := range r.repo.Layers {
		for _, o := range l.Objects {
			gvk := o.GroupVersionKind()
			planned = append(planned, cluster.Object{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Namespace: o.GetNamespace(), Name: o.GetName()})
		}
	}
	for _, l := range r.repo.Layers {
		if ref := l.DecryptionSecret; ref.Name != "" && r.Key != nil {
			planned = append(planned, cluster.Object{Version: "v1", Kind: "Secret", Namespace: ref.Namespace, Name: ref.Name})
		}
	}
	if err := r.cluster.Up(ctx, planned); err != nil {
		return err
	}
	r.booted = true
	version, err := r.cluster.Client().Typed.Discovery().ServerVersion()
	if err != nil {
		return err
	}
	r.report.Timings.BootParts = r.cluster.Phases()
	for name, s := range r.report.Timings.BootParts {
		r.report.Timings.BootParts[name] = round(s)
	}
	r.report.Versions["kubernetes"] = version.GitVersion
	return nil
}

// bootstrap puts stand-ins, policies and keys in place and lets Flux begin.
func (r *rehearsal) bootstrap(ctx context.Context) error {
	remote, err := r.cluster.Publish(ctx, r.snapshot)
	if err != nil {
		return err
	}
	redirects, err := r.standIn(ctx)
	if err != nil {
		return err
	}
	plan := bootstrap.Options{
		Repo: r.repo, GitURL: remote.URL, GitSecret: remote.Secret, Key: r.Key, Redirects: redirects,
		Labels: r.cluster.Labels(), NoPolicies: !r.cluster.Redirects(),
	}
	if err := bootstrap.Prepare(ctx, r.cluster.Client(), plan); err != nil {
		return err
	}
	sync := cluster.Sync{Remote: remote, Snapshot: r.snapshot, Path: r.repo.Path}
	if l := r.repo.Layer(gitops.RootLayer); l != nil && l.Decrypts {
		sync.DecryptionSecret = l.DecryptionSecret.Name
	}
	next, changes, err := r.cluster.Bootstrap(ctx, sync)
	if err != nil {
		return err
	}
	r.snapshot = next
	r.report.Revision = next.Commit
	for _, c := range changes {
		r.report.Bootstrapped = append(r.report.Bootstrapped, report.Bootstrapped{File: c.File, Original: c.Before, Rehearsed: c.After})
	}
	return nil
}

// standIn puts what stands in for the repo's sources where the cluster finds it.
func (r *rehearsal) standIn(ctx context.Context) ([]standin.Redirect, error) {
	if r.Upstream {
		return nil, nil
	}
	services, err := catalogue.Load()
	if err != nil {
		return nil, err
	}
	shelf, err := r.cluster.Shelf(ctx)
	if err != nil {
		return nil, err
	}
	redirects, err := standin.Fill(ctx, services, shelf, wanted(r.repo))
	if err != nil {
		return nil, err
	}
	for _, d := range redirects {
		for _, unknown := range d.Unknown {
			r.report.BlindSpots = append(r.report.BlindSpots, fmt.Sprintf("%s was served by a stand-in: whether %s has that version was not looked up", unknown, d.Upstream))
		}
		r.report.StandIns = append(r.report.StandIns, report.StandIn{Kind: d.Kind, Upstream: d.Upstream, Serves: d.Serves})
	}
	return redirects, nil
}
