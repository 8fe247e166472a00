package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/check"
	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/declaration"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/guard"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/placeholder"
	"seatrial.dev/seatrial/internal/prerequisite"
	"seatrial.dev/seatrial/internal/prose"
	"seatrial.dev/seatrial/internal/redact"
	"seatrial.dev/seatrial/internal/rehearse"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/secrets"
)

func newCheck(s Streams) *cobra.Command {
	var path, ageKey, pgpKey string
	output := newOutput()
	cmd := &cobra.Command{
		Use:   "check [DIR]",
		Short: "Say what can be known of a Flux repo without a cluster",
		Long: `Read the Flux repo in DIR (the working folder by default) as it is on disk and
find cycles, names that lead nowhere, objects that share a layer with what
installs their kind, removed APIs, files for the wrong recipients and plaintext
Secrets. It takes less than a second; verify finds the rest. In an empty folder,
or a clone of Seatrial, the sample blueprint's repo is checked.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			g := bounded(cmd.Context(), s, output.value)
			defer g.Stop()
			if len(args) == 0 && path == "" {
				dir, err := sampleToCheck(s, g)
				if err != nil {
					return err
				}
				if dir != "" {
					defer os.RemoveAll(filepath.Dir(dir))
					args = []string{dir}
				}
			}
			r, err := openRepo(s, g, args, path, ageKey, pgpKey)
			if err != nil {
				return err
			}
			return r.print(s, excuse(r.declares, r.check(), path == ""), output.value)
		},
	}
	f := cmd.Flags()
	f.StringVar(&path, "path", "", "folder that Flux is bootstrapped on, relative to the repo (default: found)")
	f.StringVar(&ageKey, "age-key", "", "file with the age key of the repo's SOPS files, - for stdin (default: $SOPS_AGE_KEY or $SOPS_AGE_KEY_FILE)")
	f.StringVar(&pgpKey, "pgp-key", "", pgpHelp)
	f.VarP(&output, "output", "o", "what to print on stdout")
	return cmd
}

// folder is the one that args name, or the working folder.
func folder(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	return "."
}

// sampleToCheck generates the sample in a temporary folder, if the working folder is
// empty or a clone of Seatrial, and returns the sample's path; otherwise it returns "".
func sampleToCheck(s Streams, g *guard.Guard) (string, error) {
	if sample, err := wantsSample(".", g.Working); err != nil || !sample {
		return "", nil // openRepo says what is wrong with the folder
	}
	dir, err := os.MkdirTemp("", "seatrial-")
	if err != nil {
		return "", err
	}
	console.New(s.Err).Note("no Flux repo here: checking the sample blueprint's")
	sample := filepath.Join(dir, "sample")
	if _, err := writeSample(sample); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return sample, nil
}

// opened is a tree that was read for a check, and the clusters in it.
type opened struct {
	repos   []*gitops.Repo
	tree    fs.FS
	options check.Options
	known   *redact.Set // its secret values

	declares declaration.Declaration
}

// check applies the rules to each cluster. What several have in common is told once.
func (r *opened) check() []finding.Finding {
	var all []finding.Finding
	for _, repo := range r.repos {
		all = finding.Merge(all, check.Run(repo, r.options))
	}
	return all
}

// layers counts those of all clusters.
func (r *opened) layers() int {
	n := 0
	for _, repo := range r.repos {
		n += len(repo.Layers)
	}
	return n
}

// openRepo reads the repo in the folder that args name (the working folder by default),
// and prepares the options of the checks with the age key, if one is given.
func openRepo(s Streams, g *guard.Guard, args []string, path, ageKey, pgpKey string) (*opened, error) {
	dir := folder(args)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, hint.Wrap(fmt.Errorf("%s is not a folder", dir), "give the folder of a Flux repo")
	}
	declares, err := declaredIn(dir)
	if err != nil {
		return nil, err
	}
	r := &opened{tree: os.DirFS(dir), declares: declares}
	tree, err := gitops.Read(r.tree, g.Working)
	if err != nil {
		return nil, err
	}
	clusters, err := tree.Find(path, declares.Paths()...)
	if _, statErr := os.Stat(filepath.Join(dir, blueprint.File)); err != nil && statErr == nil {
		err = hint.Wrap(err, "there is a blueprint: seatrial generate writes its repo")
	}
	if err != nil {
		return nil, err
	}
	key, err := secrets.FindKeys(ageKey, pgpKey, s.In)
	if err != nil {
		return nil, err
	}
	if key != nil {
		r.options.KeyRecipients, r.options.KeyFingerprints = key.Recipients(), key.Fingerprints()
		r.options.Open = func(b []byte) error {
			_, err := secrets.Decrypt(b, key)
			return err
		}
	}
	urls := gitrepo.Remotes(dir)
	places, err := placeholder.Places(r.tree)
	if err != nil {
		return nil, err
	}
	maker, err := secrets.NewMaker(places)
	if err != nil {
		return nil, err
	}
	for _, c := range clusters {
		repo := tree.Repo(c, gitops.Options{URLs: urls, Own: rehearse.Own(declares), Open: secrets.Opening(key, maker)})
		assumed := prerequisite.Find(repo, declares.Prerequisites)
		repo.Before = prerequisite.Before(assumed)
		r.options.Namespaces = append(r.options.Namespaces, append(prerequisite.Namespaces(assumed), declares.PackagingGlobalNamespace)...)
		r.repos = append(r.repos, repo)
	}
	r.known = secrets.Known(key, r.repos...)
	return r, nil
}

// print writes findings without the repo's secret values.
func (r *opened) print(s Streams, found []finding.Finding, output string) error {
	finding.Conceal(found, r.known.Text)
	return printFindings(s, found, r.layers(), output)
}

// bounded watches the reading of a repo. It ends this process if reading takes too much
// memory or processor time, or if the process is still running interruptedWithin after
// ctx has ended: kustomize can't be interrupted.
func bounded(ctx context.Context, s Streams, output string) *guard.Guard {
	context.AfterFunc(ctx, func() {
		time.AfterFunc(interruptedWithin, func() {
			console.New(s.Err).Error(errors.New("interrupted"))
			os.Exit(exitUsage)
		})
	})
	return guard.Start(func(layer, file, why string) {
		_ = printFindings(s, []finding.Finding{tooLarge(layer, file, why)}, 0, output)
		os.Exit(exitFail)
	})
}

// tooLarge makes the finding for a file or layer that takes too much memory or time to be read.
func tooLarge(layer, file, why string) finding.Finding {
	what := "reading the file "
	if layer != "" {
		what = "the build of layer " + layer + " "
	}
	return finding.Finding{
		Code: finding.TooLarge, Severity: finding.Error, Layer: layer, File: file, Line: 1,
		Message: what + why, Fix: "see what makes it so large (aliases, bases and patches multiply), and split it",
	}
}

// printJSON writes data for programs.
func printJSON(s Streams, v any) error {
	e := json.NewEncoder(s.Out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func printFindings(s Streams, found []finding.Finding, layers int, output string) error {
	if output == outputJSON {
		if found == nil {
			found = []finding.Finding{}
		}
		if err := printJSON(s, map[string]any{"apiVersion": report.APIVersion, "kind": "Check", "findings": found}); err != nil {
			return err
		}
	} else {
		report.WriteFindings(s.Out, found)
		fmt.Fprintf(s.Out, "\nSummary: %s, %s\n", prose.Count(layers, "layer"), report.Counts(found))
	}
	if finding.Errors(found) > 0 {
		return exit(exitFail)
	}
	return nil
}
