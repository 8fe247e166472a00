package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/generate"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/prose"
	"seatrial.dev/seatrial/internal/secrets"
)

func newGenerate(s Streams) *cobra.Command {
	var file, out, ageKey string
	var dryRun, rotate, check bool
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Write a GitOps repo from a blueprint",
		Long: `Write the GitOps repo that a blueprint describes (seatrial.yaml in the working
folder, else the sample): nine layers, secrets encrypted with SOPS.

In a repo that was generated before, what is up to date stays as it is, what its
owner changed is kept or refused by name, and what is no longer needed goes.`,
		Example: `  seatrial generate --out services --age-key age.agekey
  seatrial generate --blueprint seatrial.yaml --out . --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c := console.New(s.Err)
			if out == "" {
				out = "services"
				if generate.Generated(".") {
					out = "."
				}
			}
			b, dir, err := readBlueprint(file)
			if err != nil {
				return err
			}
			if file == "" && dir == "" {
				c.Note("no " + blueprint.File + " here: this is the sample blueprint's repo")
			}
			for _, note := range generate.Notes(b) {
				c.Note(note)
			}
			key, err := secrets.FindKey(ageKey, s.In)
			if err != nil {
				return err
			}
			if check {
				_, withdrawn, unknown, err := lookUp(cmd.Context(), c, b)
				switch {
				case err != nil:
					return err
				case withdrawn > 0:
					c.Note("nothing was written: choose versions that can be had, or leave --check out")
					return exit(exitFail)
				case unknown > 0:
					c.Note(prose.Count(unknown, "version") + " could not be looked up, and are taken as they are")
				}
			}
			essentials, err := fetchEssentials(cmd.Context(), b, dir, http.DefaultClient)
			if err != nil {
				return err
			}
			return write(s, c, b, essentials, key, out, dryRun, rotate)
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "blueprint", "", "blueprint file (default: "+blueprint.File+" if there is one, else the sample)")
	f.StringVar(&out, "out", "", "folder to write: new, empty, or a repo (default: the working folder if it was generated before, else services)")
	f.StringVar(&ageKey, "age-key", "", "file with the age key that reads the credentials in use, and whose recipient secrets are encrypted for if the blueprint names none; - for stdin (default: $SOPS_AGE_KEY or $SOPS_AGE_KEY_FILE)")
	f.BoolVar(&dryRun, "dry-run", false, "show on stdout what would change, and write nothing")
	f.BoolVar(&check, "check", false, "look every version up where it comes from first, and write nothing if one was withdrawn")
	f.BoolVar(&rotate, "rotate", false, "draw all credentials anew")
	return cmd
}

// readBlueprint reads the blueprint in file or, if file is empty, blueprint.File or else
// the sample. It also returns the folder of the blueprint, which is empty for the sample.
func readBlueprint(file string) (*blueprint.Blueprint, string, error) {
	if file == "" {
		if _, err := os.Stat(blueprint.File); errors.Is(err, fs.ErrNotExist) {
			return blueprint.Default(), "", nil
		}
		file = blueprint.File
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, "", fmt.Errorf("read the blueprint: %w", err)
	}
	b, err := blueprint.Parse(file, text)
	return b, filepath.Dir(file), err
}

func write(s Streams, c *console.Console, b *blueprint.Blueprint, essentials generate.Manifests, key *secrets.Key, out string, dryRun, rotate bool) error {
	credentials, known, err := generate.Earlier(out, key)
	if errors.Is(err, secrets.ErrOtherKey) {
		return hint.Wrap(err, "give the key it is encrypted for; if that is lost, remove the folders .seatrial and flux-sources, and generate afresh: no credential in them can be read again")
	}
	if err != nil {
		return err
	}
	first := credentials == nil && known
	switch {
	case rotate && !known:
		return hint.New("--rotate keeps the keys that services have encrypted data with, and can't read them", "give --age-key")
	case rotate && credentials != nil:
		credentials = credentials.Rotated()
		c.Note("all credentials are new but encryption keys; databases and most services read theirs at first start only: change them there, too")
	case credentials == nil:
		credentials = generate.NewCredentials()
	}
	if err := addRecipients(b, key, first, c); err != nil {
		return err
	}
	files, err := generate.Render(b, credentials, essentials)
	if err != nil {
		return err
	}
	plan, err := generate.MakePlan(out, files, generate.Terms{Recipients: b.Recipients, Key: key, Known: known, Fresh: rotate})
	if err != nil {
		return err
	}
	defer plan.Close()
	for _, name := range plan.Kept {
		c.Note("kept as you changed it: " + name)
	}
	moved, err := plan.Moved()
	if err != nil {
		return err
	}
	for _, note := range moved {
		c.Note(note)
	}
	if dryRun {
		_, err := s.Out.Write(plan.Diff())
		c.Note(fmt.Sprintf("%s would change in %s; nothing was written", prose.Count(len(plan.Changes), "file"), filepath.Clean(out)))
		return err
	}
	if err := plan.Apply(); err != nil {
		return err
	}
	removed := 0
	for _, change := range plan.Changes {
		if change.New == nil {
			c.Note("removed: " + change.Path)
			removed++
		}
	}
	c.Note(fmt.Sprintf("wrote %s of %d to %s; Flux is bootstrapped on %s", prose.Count(len(plan.Changes)-removed, "file"), len(files), filepath.Clean(out), generate.Path(b)))
	c.Note("rehearse it with: seatrial verify " + filepath.Clean(out) + " --age-key FILE, or without the key, with placeholders for secrets")
	return nil
}

// addRecipients gives the blueprint the recipients that secrets are encrypted for, if
// it names none itself. first says that no earlier generation exists.
func addRecipients(b *blueprint.Blueprint, key *secrets.Key, first bool, c *console.Console) error {
	switch {
	case len(b.Recipients) > 0:
	case key != nil:
		b.Recipients = key.Recipients()
	case !first:
		return hint.New("no recipient given", "give --age-key, or recipients in the blueprint: those of the earlier generation")
	default:
		// No key is written to disk that nobody asked for.
		key, err := secrets.NewKey()
		if err != nil {
			return err
		}
		b.Recipients = key.Recipients()
		c.Note("no recipient given: the secrets are encrypted for a key that is already gone; it can be rehearsed, but to deploy it give --age-key or recipients in the blueprint")
	}
	return nil
}

// fetchEssentials reads the release manifests that the blueprint names. What a
// URL serves must have the blueprint's checksum.
func fetchEssentials(ctx context.Context, b *blueprint.Blueprint, dir string, client *http.Client) (generate.Manifests, error) {
	out := generate.Manifests{}
	for name, m := range map[string]*blueprint.Manifest{
		"kapp-controller": b.ClusterEssentials.KappController, "secretgen-controller": b.ClusterEssentials.SecretgenController,
	} {
		if m == nil {
			continue
		}
		text, err := fetchManifest(ctx, m, dir, client)
		if err != nil {
			return nil, fmt.Errorf("clusterEssentials: %s: %w", name, err)
		}
		out[name] = text
	}
	return out, nil
}

func fetchManifest(ctx context.Context, m *blueprint.Manifest, dir string, client *http.Client) ([]byte, error) {
	var text []byte
	var err error
	if m.File != "" {
		file := m.File
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		text, err = os.ReadFile(file)
	} else {
		text, err = download(ctx, m.URL, client)
	}
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(text); m.SHA256 != "" && !strings.EqualFold(m.SHA256, hex.EncodeToString(sum[:])) {
		return nil, fmt.Errorf("its sha256 is %s, and the blueprint wants %s: check where it comes from, then mend the blueprint", hex.EncodeToString(sum[:]), m.SHA256)
	}
	return text, nil
}

// download returns the first 16 MiB of what url serves, within one minute. A manifest
// that is larger fails its checksum.
func download(ctx context.Context, url string, client *http.Client) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: give a file instead if this machine can't reach it", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, response.Status)
	}
	return io.ReadAll(io.LimitReader(response.Body, 16<<20))
}
