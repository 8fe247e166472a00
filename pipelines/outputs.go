package pipelines

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"seatrial.dev/seatrial/internal/dagger"
)

// reports are the files that a rehearsal's report is written to, one for each format.
var reports = []string{"report.json", "junit.xml", "summary.md", "report.txt"}

// evidenceFile is the rehearsal's evidence, beside the reports.
const evidenceFile = "evidence.jsonl"

// Evidence is the evidence of a rehearsal: DSSE envelopes, one a line.
func Evidence(rehearsal *dagger.Container) *dagger.File { return Output(rehearsal, evidenceFile) }

// Report is the part of the command's report that the module reads.
type Report struct {
	Verdict string  `json:"verdict"`
	Layers  []Layer `json:"layers"`
	// Items are the reports of a repo's several clusters; their layers are put into Layers.
	Items []Report `json:"items"`
}

// Layer is one of the report's layers.
type Layer struct {
	Name      string  `json:"name"`
	Namespace string  `json:"namespace"`
	Status    string  `json:"status"`
	Message   string  `json:"message"`
	Objects   int     `json:"objects"`
	Seconds   float64 `json:"seconds"`
	Suspended bool    `json:"suspended"`
	Accepted  bool    `json:"accepted"`
}

// Output is one of the reports of a rehearsal.
func Output(rehearsal *dagger.Container, file string) *dagger.File {
	return rehearsal.File(outDir + "/" + file)
}

// Logs is the folder of a rehearsal's logs.
func Logs(rehearsal *dagger.Container) *dagger.Directory {
	return rehearsal.Directory(outDir + "/logs")
}

// Outputs returns the folder with everything that a rehearsal wrote. If the rehearsal
// could not be run, it wrote no report: that is an error, so that an older report is
// not mistaken for its own.
func Outputs(ctx context.Context, rehearsal *dagger.Container) (*dagger.Directory, error) {
	_, err := Read(ctx, rehearsal)
	return rehearsal.Directory(outDir), err
}

// Read reads a rehearsal's report. If the rehearsal could not be run, there is none:
// the error holds the command's stderr.
func Read(ctx context.Context, rehearsal *dagger.Container) (*Report, error) {
	text, err := Output(rehearsal, "report.json").Contents(ctx)
	if err != nil {
		said, stderr := rehearsal.Stderr(ctx)
		if stderr != nil {
			return nil, stderr
		}
		return nil, fmt.Errorf("the rehearsal could not be run:\n%s", strings.TrimSpace(said))
	}
	var r Report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, fmt.Errorf("the rehearsal's report: %w", err)
	}
	for _, item := range r.Items {
		r.Layers = append(r.Layers, item.Layers...)
	}
	return &r, nil
}

// Assert fails if the rehearsal did: with the same exit code, and with the report on
// the screen or, if the rehearsal could not be run, with the command's stderr.
func Assert(ctx context.Context, rehearsal *dagger.Container) error {
	code, err := rehearsal.ExitCode(ctx)
	if err != nil || code == 0 {
		return err
	}
	if _, err := Read(ctx, rehearsal); err != nil {
		_, err = rehearsal.WithExec([]string{"sh", "-c", fmt.Sprintf("cat >&2; exit %d", code)}, dagger.ContainerWithExecOpts{Stdin: err.Error()}).Sync(ctx)
		return err
	}
	_, err = Failing(rehearsal, code).Sync(ctx)
	return err
}

// Failing is a container that shows the rehearsal's report and ends with a code.
func Failing(rehearsal *dagger.Container, code int) *dagger.Container {
	return rehearsal.WithExec([]string{"sh", "-c", fmt.Sprintf("cat %s/report.txt >&2; exit %d", outDir, code)})
}
