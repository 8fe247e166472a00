package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/guard"
	"seatrial.dev/seatrial/internal/rehearse"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/sandbox"
	"seatrial.dev/seatrial/internal/secrets"
	"seatrial.dev/seatrial/internal/timing"
	"seatrial.dev/seatrial/internal/verdict"
)

// inside runs the rehearsal, in the process within the sandbox, and hands the report to
// the outer process.
func (v *verify) inside(ctx context.Context, box *sandbox.Sandbox, given given) error {
	path := timing.Begin(given.Began)
	path.Until(given.Began.Add(time.Duration(given.EngineSeconds*float64(time.Second))), "find or build the engine", timing.Ours)
	path.Until(time.Now(), "start in a sandbox", timing.Ours)
	if v.tiers.is(tierEmbedded) {
		v.tellConfinement(box)
	}
	var key *secrets.Key
	var err error
	if len(given.Key) > 0 {
		if key, err = secrets.ParseKey(given.Key); err != nil {
			return err
		}
	}
	var read rehearsed
	g := guard.Start(func(layer, file, why string) { v.tooLarge(box, &read, tooLarge(layer, file, why)) })
	snapshot, key, err := v.snapshot(ctx, box, key, given.Engine, g)
	if err != nil {
		return err
	}
	read.set(snapshot)
	path.Until(time.Now(), "take the tree", timing.Ours)
	declares, err := declaredBy(ctx, snapshot)
	if err != nil {
		return err
	}
	takes, err := v.platform(ctx, snapshot, declares)
	if err != nil {
		return err
	}
	provider, versions, err := v.provider(box, given.Engine, takes.PodSecurity)
	if err != nil {
		return err
	}
	o := rehearse.Options{
		Subject: rehearse.SubjectOptions{
			Snapshot: snapshot, Path: v.path, URLs: v.urls, Declares: declares, Key: key, Dir: filepath.Join(box.Dir, "tree"), Working: g.Working, Read: g.Stop,
		},
		Timeout: v.timeout, Versions: versions, Path: path, Sources: v.tiers.mode(),
		Platform: takes, Enforced: v.tiers.is(tierEmbedded), Declares: declares, Today: time.Now(), Whole: v.path == "",
	}
	if v.logs != "" {
		o.Log = func(name string, text []byte) error { return box.Hand(parcelLog, name, text) }
	}
	r, err := rehearse.Run(ctx, o, provider, v.console)
	var several *rehearse.Several
	if errors.As(err, &several) && v.splits() {
		return errors.Join(handClusters(box, several.Paths), provider.Down())
	}
	if err != nil {
		return errors.Join(err, provider.Down())
	}
	r.Timings.Engine = given.EngineSeconds
	if !v.tiers.is(tierExisting) {
		r.PackagingGlobalNamespace = v.tiers.globalNamespace
	}
	if !o.Enforced {
		r.BlindSpots = append(r.BlindSpots, notEnforced(takes)...)
	}
	if box.Unconfined && v.tiers.is(tierEmbedded) {
		r.BlindSpots = append([]finding.BlindSpot{finding.Unseen(finding.Unconfined, "UNCONFINED: nothing kept what the repo has programs do from this machine's files and network")}, r.BlindSpots...)
	}
	return v.finish(ctx, box, provider, r, path)
}

// snapshot takes the tree to rehearse, and returns it with the key of its SOPS files:
// the given one, or the generated sample's.
func (v *verify) snapshot(ctx context.Context, box *sandbox.Sandbox, key *secrets.Key, families map[string]string, g *guard.Guard) (*gitrepo.Snapshot, *secrets.Key, error) {
	dir := v.dir
	var err error
	if dir == "" {
		if dir, key, err = v.findRepo(box, key, g.Working); err != nil {
			return nil, nil, err
		}
	}
	sample := dir == filepath.Join(box.Dir, "sample")
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, nil, err
	}
	v.urls = gitrepo.Remotes(dir)
	done := v.console.Step("take the tree")
	s, err := v.take(ctx, box, dir, families)
	done(err)
	if err == nil && sample {
		s.Origin = "the sample blueprint"
	}
	return s, key, err
}

// finish ends the cluster, or hands it over to the user, and hands out the report.
func (v *verify) finish(ctx context.Context, box *sandbox.Sandbox, provider cluster.Provider, r *report.Report, path *timing.Path) error {
	var left error
	kept := v.keep && provider.Client() != nil // without a client, nothing has come up
	if !kept {
		start := time.Now()
		left = provider.Down()
		r.Timings.Teardown = time.Since(start).Seconds()
		path.Until(time.Now(), "end the cluster", timing.Ours)
	}
	r.CriticalPath = path.Spans()
	if err := handReport(box, r); err != nil {
		return errors.Join(err, left, provider.Down())
	}
	if left != nil {
		return left // the report is out already, and its verdict stands
	}
	code, known := map[verdict.Verdict]int{verdict.Pass: exitPass, verdict.PassAccepted: exitPass, verdict.Fail: exitFail, verdict.Inconclusive: exitUsage}[r.Verdict]
	if !known {
		return fmt.Errorf("the rehearsal has no verdict, but %q", r.Verdict)
	}
	if kept {
		return v.stay(ctx, box, provider, code)
	}
	return exit(code)
}

// handReport hands a report out of the sandbox.
func handReport(box *sandbox.Sandbox, r *report.Report) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return box.Hand(parcelReport, "", b)
}

// rehearsed is the tree that is being read. The guard reports it from another goroutine
// if reading takes too much.
type rehearsed struct {
	mu       sync.Mutex
	snapshot gitrepo.Snapshot
}

func (r *rehearsed) set(s *gitrepo.Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.snapshot = *s
}

// tooLarge reports a repo that can't be read, and ends this process.
func (v *verify) tooLarge(box *sandbox.Sandbox, read *rehearsed, f finding.Finding) {
	read.mu.Lock()
	s := read.snapshot
	read.mu.Unlock()
	r := report.New(v.tiers.tier.value, nil)
	r.Verdict, r.Revision, r.Tree, r.Origin, r.Path, r.Findings = verdict.Fail, s.Commit, s.Tree, s.Origin, v.path, []finding.Finding{f}
	code := exitFail
	if err := handReport(box, r); err != nil {
		v.console.Error(err)
		code = exitUsage
	}
	box.End(code)
}

// tellConfinement warns the user if the programs are confined less than usual.
func (v *verify) tellConfinement(box *sandbox.Sandbox) {
	switch {
	case box.Unconfined:
		v.console.Note("nothing on this machine confines what the repo has programs do (" + box.Why + ")")
	case !box.Namespaces:
		v.console.Note("this machine grants no private namespaces (" + box.Why + "): running on its loopback, confined by Landlock")
	}
}

// take takes the tree from the user's folder. On the embedded tier it then changes to
// the sandbox's own root, in which the machine's files can't be seen.
func (v *verify) take(ctx context.Context, box *sandbox.Sandbox, dir string, families map[string]string) (*gitrepo.Snapshot, error) {
	gitDir := filepath.Join(box.Dir, "repo.git")
	s, err := gitrepo.Take(ctx, dir, gitDir, gitrepo.Options{Exclude: v.keyFiles(), Confine: func(read ...string) gitrepo.Runner {
		cell := sandbox.Cell{Git: true, Read: read, Write: []string{box.Dir}, Owner: true}
		return func(cmd *exec.Cmd) error { return box.Run(cmd, cell) }
	}})
	if err != nil {
		return nil, err
	}
	if !v.tiers.is(tierEmbedded) {
		s.Run = nil // from here on git only reads its own copy and talks to our own Gitea
		return s, nil
	}
	if err := s.Detach(ctx); err != nil {
		return nil, err
	}
	tree := filepath.Join(box.Dir, "tree")
	if err := os.Mkdir(tree, 0o700); err != nil {
		return nil, err
	}
	if err := box.Give(gitDir, tree); err != nil {
		return nil, err
	}
	if _, err := enter(box, families); err != nil {
		return nil, err
	}
	s = s.Moved(filepath.Join(box.Dir, "repo.git"))
	cell := sandbox.Cell{Git: true, Write: []string{s.GitDir, filepath.Join(box.Dir, "tree")}}
	s.Run = func(cmd *exec.Cmd) error { return box.Run(cmd, cell) }
	return s, nil
}

// engineRoot is the folder of the engine within the sandbox's own root.
const engineRoot = "/engine"

// enter changes to the sandbox's own root, and returns the engine as it is seen there.
// families are the folders of the engine, by family.
func enter(box *sandbox.Sandbox, families map[string]string) (*engine.Engine, error) {
	show := map[string]string{}
	for family, folder := range families {
		show[engineRoot+"/"+family] = folder
	}
	return engineIn(box, families), box.Enter(show)
}

// engineIn is the engine as a sandbox's inner process sees it once Enter has been called.
func engineIn(box *sandbox.Sandbox, families map[string]string) *engine.Engine {
	if box.Roots() {
		return engine.At(families).Moved(engineRoot)
	}
	return engine.At(families)
}

// keyFiles returns the files that hold keys: they may lie in the repo's folder, and
// must not be taken into the tree.
func (v *verify) keyFiles() []string {
	var out []string
	for _, file := range []string{v.ageKey, v.pgpKey, os.Getenv(secrets.KeyFileEnv)} {
		if abs, err := filepath.Abs(file); err == nil && file != "" && file != "-" {
			out = append(out, abs)
		}
	}
	return out
}

// findRepo takes the working folder if it holds a Flux repo, and generates the
// sample otherwise.
func (v *verify) findRepo(box *sandbox.Sandbox, key *secrets.Key, working func(layer, file string)) (string, *secrets.Key, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", nil, err
	}
	if v.path != "" {
		return wd, key, nil
	}
	if sample, err := wantsSample(wd, working); err != nil || !sample {
		return wd, key, err
	}
	v.console.Note("no Flux repo here: rehearsing the sample blueprint's")
	dir := filepath.Join(box.Dir, "sample")
	key, err = writeSample(dir)
	return dir, key, err
}
