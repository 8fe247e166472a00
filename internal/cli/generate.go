package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/generate"
	"seatrial.dev/seatrial/internal/secrets"
)

func newGenerate(s Streams) *cobra.Command {
	var file, out, ageKey string
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Write a GitOps repo from a blueprint",
		Long: `Write the GitOps repo that a blueprint describes (the sample blueprint by
default) into a new folder: nine layers, secrets encrypted with SOPS.`,
		Example: `  seatrial generate --out services
  seatrial generate --blueprint seatrial.yaml --out services --age-key age.agekey`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c := console.New(s.Err)
			b := blueprint.Default()
			if file != "" {
				text, err := os.ReadFile(file)
				if err != nil {
					return fmt.Errorf("read the blueprint: %w", err)
				}
				if b, err = blueprint.Parse(file, text); err != nil {
					return err
				}
			}
			if err := addRecipients(b, ageKey, s, c); err != nil {
				return err
			}
			files, err := generate.Repo(b)
			if err != nil {
				return err
			}
			if err := generate.Write(out, files); err != nil {
				return err
			}
			c.Note(fmt.Sprintf("wrote %d files to %s; Flux is bootstrapped on %s", len(files), filepath.Clean(out), generate.Path(b)))
			c.Note("rehearse it with: seatrial verify " + filepath.Clean(out))
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "blueprint", "", "blueprint file (default: the sample)")
	f.StringVar(&out, "out", "services", "folder to write; it must be new or empty")
	f.StringVar(&ageKey, "age-key", "", "file with the age key whose recipient the secrets are encrypted for, - for stdin (default: $SOPS_AGE_KEY or $SOPS_AGE_KEY_FILE)")
	return cmd
}

// addRecipients makes sure that secrets are encrypted for someone.
func addRecipients(b *blueprint.Blueprint, ageKey string, s Streams, c *console.Console) error {
	key, err := secrets.FindKey(ageKey, s.In)
	if err != nil {
		return err
	}
	switch {
	case key != nil && len(b.Recipients) == 0:
		b.Recipients = key.Recipients()
	case len(b.Recipients) == 0:
		// No key is written to disk that nobody asked for.
		if key, err = secrets.NewKey(); err != nil {
			return err
		}
		b.Recipients = key.Recipients()
		c.Note("no recipient given: the secrets are encrypted for a key that is already gone; it can be rehearsed, but to deploy it give --age-key or recipients in the blueprint")
	}
	return nil
}
