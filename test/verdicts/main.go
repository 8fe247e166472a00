// Command verdicts writes what a build of seatrial finds in every fixture, without
// times, hashes and counts, so that two builds can be compared. A change that is meant
// to change no verdict is shown by two runs and a diff:
//
//	go run ./test/verdicts -out before path/to/old/seatrial
//	go run ./test/verdicts -out after path/to/new/seatrial
//	diff -r before after
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/test/repos"
)

func main() {
	out := flag.String("out", "verdicts", "folder to write a file for each repo into")
	short := flag.Bool("short", false, "leave out the full catalogue")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: go run ./test/verdicts [-out DIR] [-short] SEATRIAL [REPO...]\nREPO: further repos beside the sample, the full catalogue and fixtures/repos")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *out, *short, flag.Args()[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "verdicts:", err)
		os.Exit(2)
	}
}

// run writes a file for each repo with what the command finds in it.
func run(seatrial, out string, short bool, more []string) error {
	seatrial, err := filepath.Abs(seatrial)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "seatrial-verdicts-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	sample, catalogue := filepath.Join(work, "sample"), filepath.Join(work, "catalogue")
	own := []string{sample}
	if err := os.Mkdir(sample, 0o755); err != nil { // empty: the sample is rehearsed
		return err
	}
	if !short {
		if err := repos.Catalogue(seatrial, catalogue); err != nil {
			return err
		}
		own = append(own, catalogue)
	}
	fixtures, err := repos.Fixtures()
	if err != nil {
		return err
	}
	written := map[string]bool{}
	for _, dir := range slices.Concat(own, fixtures, more) {
		said, err := of(seatrial, dir)
		if err != nil {
			return err
		}
		name := filepath.Join(out, filepath.Base(dir)+".json")
		if written[name] {
			return fmt.Errorf("two repos are called %s: copy one of them to another name", filepath.Base(dir))
		}
		written[name] = true
		if err := os.WriteFile(name, said, 0o644); err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, name)
	}
	return nil
}

// said is the output of the command for one repo.
type said struct {
	Check   []finding.Finding `json:"check"`
	Exit    [2]int            `json:"exit"` // of check and verify
	Verify  *report.Report    `json:"verify"`
	Refused string            `json:"refused,omitempty"` // stderr, if there is no report
}

// of runs check and verify on a repo, and returns the output as JSON.
func of(seatrial, dir string) ([]byte, error) {
	var s said
	var checked struct{ Findings []finding.Finding }
	stdout, _, code, err := command(seatrial, dir, "check")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(stdout, &checked); err != nil && code != 2 {
		return nil, fmt.Errorf("check %s: %w", dir, err)
	}
	s.Check, s.Exit[0] = checked.Findings, code
	stdout, stderr, code, err := command(seatrial, dir, "verify")
	if err != nil {
		return nil, err
	}
	s.Exit[1] = code
	var r report.Report
	if err := json.Unmarshal(stdout, &r); err != nil {
		s.Refused = string(stderr)
	} else {
		s.Verify = stable(&r)
	}
	b, err := json.MarshalIndent(s, "", "  ")
	return append(varying.ReplaceAll(b, []byte("#")), '\n'), err
}

// command runs a verb on a repo, in the repo's folder.
func command(seatrial, dir, verb string) (stdout, stderr []byte, code int, err error) {
	var out, say bytes.Buffer
	cmd := exec.Command(seatrial, verb, "-o", "json")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &say
	err = cmd.Run()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = nil
	}
	if code = cmd.ProcessState.ExitCode(); err == nil && (code < 0 || bytes.Contains(say.Bytes(), []byte("goroutine "))) {
		err = fmt.Errorf("%s %s breaks down:\n%s", verb, dir, say.Bytes())
	}
	return out.Bytes(), say.Bytes(), code, err
}

// varying matches what differs between two runs of the same build: hashes, ports,
// durations, folders, and which of many objects kapp fails at first.
var varying = regexp.MustCompile(`[0-9a-f]{12,}|sha\d+:\w+|rehearsal@\S+|127\.0\.0\.1:\d+|\b\d+(\.\d+)?m?s\b|kustomization-\d+|seatrial-verdicts-\d+|kapp: Error: create \S+|server-side apply failed for object \S+ \S+`)

// stable removes from a report what differs between two runs of the same build.
func stable(r *report.Report) *report.Report {
	r.Timings, r.Revision, r.Tree, r.Origin, r.Versions, r.CriticalPath = report.Timings{}, "", "", "", nil, nil
	for i := range r.Layers {
		// A layer's message may be what one of its objects said before it was looked at again.
		r.Layers[i].Seconds, r.Layers[i].Message, r.Layers[i].Findings = 0, "", nil
	}
	for i := range r.Findings {
		r.Findings[i].Evidence = ""
	}
	for i := range r.Rekeyed {
		r.Rekeyed[i].Rehearsed = ""
	}
	return r
}
