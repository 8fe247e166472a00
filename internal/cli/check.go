package cli

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"seatrial.dev/seatrial/internal/check"
	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/rehearse"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/secrets"
)

func newCheck(s Streams) *cobra.Command {
	var path, ageKey, output string
	cmd := &cobra.Command{
		Use:   "check [DIR]",
		Short: "Say what can be known of a Flux repo without a cluster",
		Long: `Read the Flux repo in DIR (the working folder by default) as it is on disk and
find cycles, names that lead nowhere, objects that share a layer with what
installs their kind, removed APIs, files for the wrong recipients and plaintext
Secrets. It takes less than a second; verify finds the rest. In an empty folder,
or a clone of Seatrial, the sample blueprint's repo is checked.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := validOutput(output); err != nil {
				return err
			}
			if sample, err := wantsSample("."); len(args) == 0 && path == "" && err == nil && sample {
				dir, err := os.MkdirTemp("", "seatrial-")
				if err != nil {
					return err
				}
				defer os.RemoveAll(dir)
				console.New(s.Err).Note("no Flux repo here: checking the sample blueprint's")
				args = []string{filepath.Join(dir, "sample")}
				if _, err := writeSample(args[0]); err != nil {
					return err
				}
			}
			repo, _, o, err := openRepo(s, args, path, ageKey)
			if err != nil {
				return err
			}
			return printFindings(s, check.Run(repo, o), len(repo.Layers), output)
		},
	}
	f := cmd.Flags()
	f.StringVar(&path, "path", "", "folder that Flux is bootstrapped on, relative to the repo (default: found)")
	f.StringVar(&ageKey, "age-key", "", "file with the age key of the repo's SOPS files, - for stdin")
	f.StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// folder is the one that args name, or the working folder.
func folder(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	return "."
}

// openRepo reads the repo in the folder that args name (the working folder by
// default), and says what the given key knows of it.
func openRepo(s Streams, args []string, path, ageKey string) (*gitops.Repo, fs.FS, check.Options, error) {
	var o check.Options
	dir := folder(args)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, nil, o, &console.Hinted{Err: fmt.Errorf("%s is not a folder", dir), Hint: "give the folder of a Flux repo"}
	}
	root, err := rehearse.FindPath(dir, path)
	if err != nil {
		return nil, nil, o, err
	}
	key, err := secrets.FindKey(ageKey, s.In)
	if err != nil {
		return nil, nil, o, err
	}
	if key != nil {
		o.KeyRecipients = key.Recipients()
		o.Open = func(b []byte) error {
			_, err := secrets.Decrypt(b, key)
			return err
		}
	}
	repo, err := gitops.Load(os.DirFS(dir), root)
	return repo, os.DirFS(dir), o, err
}

// validOutput refuses what -o does not know.
func validOutput(output string) error {
	if output != "text" && output != "json" {
		return &console.Hinted{Err: fmt.Errorf("unknown output %q", output), Hint: "use -o text or -o json"}
	}
	return nil
}

// printJSON writes data for programs.
func printJSON(s Streams, v any) error {
	e := json.NewEncoder(s.Out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func printFindings(s Streams, found []finding.Finding, layers int, output string) error {
	errs := finding.Errors(found)
	if output == "json" {
		if found == nil {
			found = []finding.Finding{}
		}
		if err := printJSON(s, map[string]any{"apiVersion": report.APIVersion, "kind": "Check", "findings": found}); err != nil {
			return err
		}
	} else {
		report.WriteFindings(s.Out, found)
		fmt.Fprintf(s.Out, "\nSummary: %d layers, %d errors, %d warnings\n", layers, errs, len(found)-errs)
	}
	if errs > 0 {
		return exit(exitFail)
	}
	return nil
}
