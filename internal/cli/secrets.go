package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"seatrial.dev/seatrial/internal/check"
	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/prose"
	"seatrial.dev/seatrial/internal/secrets"
)

func newSecrets(s Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secrets",
		Short: "Make keys, and encrypt, re-key and audit a repo's SOPS files",
		Long: `Keys and SOPS files of a repo. Files go both ways with the sops command and with
Flux. Values are decrypted in memory only, and never printed.`,
	}
	cmd.AddCommand(newKeygen(s), newEncrypt(s), newEditRecipients(s), newRotate(s), newAudit(s))
	return group(cmd)
}

func newKeygen(s Streams) *cobra.Command {
	var hybrid bool
	cmd := &cobra.Command{
		Use:   "keygen FILE",
		Short: "Write a new age key to FILE and print its recipient",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			key, err := secrets.WriteNewKey(args[0], hybrid)
			if err != nil {
				return err
			}
			console.New(s.Err).Note("wrote " + args[0] + ": keep it out of Git, and a copy in a safe place")
			_, err = fmt.Fprintln(s.Out, strings.Join(key.Recipients(), "\n"))
			return err
		},
	}
	cmd.Flags().BoolVar(&hybrid, "hybrid", false, "make a post-quantum key (age 1.3 or newer reads it)")
	return cmd
}

// ruleFor returns the creation rule for a file from the nearest .sops.yaml above it.
func ruleFor(file string) (rule gitops.RecipientRule, found bool, err error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return rule, false, err
	}
	for dir := filepath.Dir(abs); ; dir = filepath.Dir(dir) {
		rules, err := gitops.ReadRules(os.DirFS(dir))
		if err != nil {
			return rule, false, fmt.Errorf("%s: %w", dir, err)
		}
		if rules != nil {
			rel, err := filepath.Rel(dir, abs)
			if err != nil {
				return rule, false, err
			}
			rule, found = gitops.RuleOf(rules, filepath.ToSlash(rel))
			return rule, found, nil
		}
		if dir == filepath.Dir(dir) {
			return rule, false, nil
		}
	}
}

// encryption returns the recipients of a file, from the flag or else from .sops.yaml,
// and the regular expression of the keys to encrypt: that of .sops.yaml's rule or, if
// no rule applies, data and stringData.
func encryption(file string, flag []string) (recipients []string, regex string, err error) {
	rule, found, err := ruleFor(file)
	if err != nil {
		return nil, "", err
	}
	recipients, regex = rule.Recipients, rule.EncryptedRegex
	if !found {
		regex = secrets.EncryptedRegex
	}
	if len(flag) > 0 {
		recipients = flag
	}
	if len(recipients) == 0 {
		return nil, "", hint.New("no rule of a .sops.yaml names recipients for it", "give --recipient age1…")
	}
	return recipients, regex, nil
}

func newEncrypt(s Streams) *cobra.Command {
	var recipients []string
	cmd := &cobra.Command{
		Use:   "encrypt FILE…",
		Short: "Encrypt the values of Secrets, in place",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return rewrite(s, args, "encrypted", func(name string, b []byte) ([]byte, error) {
				if _, already := secrets.Encrypted(b); already {
					return nil, errors.New("it is encrypted already")
				}
				to, regex, err := encryption(name, recipients)
				if err != nil {
					return nil, err
				}
				return secrets.Encrypt(b, to, regex)
			})
		},
	}
	cmd.Flags().StringSliceVar(&recipients, "recipient", nil, "age recipient (repeatable; default: .sops.yaml's)")
	return cmd
}

// withKey completes a verb that decrypts files: it adds the flags --age-key and
// --recipient, and has the verb apply change to the files, or to every SOPS file of the
// folders, that its arguments name.
func withKey(s Streams, cmd *cobra.Command, done string, change func(b []byte, key *secrets.Key, recipients []string) ([]byte, error)) *cobra.Command {
	var ageKey string
	var recipients []string
	cmd.Args = cobra.MinimumNArgs(1)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		key, err := secrets.FindKey(ageKey, s.In)
		if err != nil {
			return err
		}
		if key == nil {
			return hint.New("no age key given", "give --age-key, $SOPS_AGE_KEY or $SOPS_AGE_KEY_FILE")
		}
		files, err := sopsFiles(args)
		if err != nil {
			return err
		}
		return rewrite(s, files, done, func(name string, b []byte) ([]byte, error) {
			to, _, err := encryption(name, recipients)
			if err != nil {
				return nil, err
			}
			return change(b, key, to)
		})
	}
	cmd.Flags().StringVar(&ageKey, "age-key", "", "file with an age key that reads the files now, - for stdin (default: $SOPS_AGE_KEY or $SOPS_AGE_KEY_FILE)")
	cmd.Flags().StringSliceVar(&recipients, "recipient", nil, "age recipient that can read them afterwards (repeatable; default: .sops.yaml's)")
	return cmd
}

func newEditRecipients(s Streams) *cobra.Command {
	return withKey(s, &cobra.Command{
		Use:   "edit-recipients PATH…",
		Short: "Change who can read SOPS files; their values stay as they are",
		Long: `Encrypt the own key of each SOPS file, or of every one below a folder, for the
recipients that .sops.yaml names. Who could read a file before and kept its own
key still can: use rotate to lock somebody out of what is encrypted from now on.`,
	}, "re-keyed", secrets.EditRecipients)
}

func newRotate(s Streams) *cobra.Command {
	return withKey(s, &cobra.Command{
		Use:   "rotate PATH…",
		Short: "Encrypt SOPS files anew, with new keys of their own",
	}, "rotated", secrets.Rotate)
}

// sopsFiles returns the given files, and the SOPS files below the given folders. A SOPS
// file that is not YAML is an error, as skipping it would leave its old recipients.
func sopsFiles(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			out = append(out, p)
			continue
		}
		err = filepath.WalkDir(p, func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == ".git":
				return fs.SkipDir
			case !d.Type().IsRegular():
				return nil
			}
			b, err := os.ReadFile(name)
			if err != nil || !bytes.Contains(b, []byte("ENC[AES256_GCM")) {
				return err
			}
			ext := filepath.Ext(name)
			if _, yes := secrets.Encrypted(b); yes && (ext == ".yaml" || ext == ".yml") {
				out = append(out, name)
			} else if bytes.Contains(b, []byte("sops_version")) || bytes.Contains(b, []byte(`"sops":`)) {
				return fmt.Errorf("%s is a SOPS file, but no YAML: name the files that are to be changed, and use sops for this one", name)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("found no SOPS file in %s", strings.Join(paths, ", "))
	}
	return out, nil
}

// rewrite replaces files by what change makes of them. If change fails for one of them,
// none is written.
func rewrite(s Streams, files []string, done string, change func(name string, b []byte) ([]byte, error)) error {
	changed := map[string][]byte{}
	for _, name := range files {
		info, err := os.Lstat(name)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file: name the file that it leads to: nothing was changed", name)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if changed[name], err = change(name, b); err != nil {
			return fmt.Errorf("%s: %w: nothing was changed", name, err)
		}
	}
	for _, name := range files {
		if err := replace(name, changed[name]); err != nil {
			return err
		}
	}
	console.New(s.Err).Note(done + " " + prose.Count(len(files), "file"))
	return nil
}

// replace writes a file by a rename, so that no reader sees a part of it.
func replace(name string, b []byte) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.part")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name()) // fails after the rename, as it should
	_, err = part.Write(b)
	return errors.Join(err, part.Chmod(info.Mode().Perm()), part.Close(), os.Rename(part.Name(), name))
}

func newAudit(s Streams) *cobra.Command {
	var path, ageKey, pgpKey string
	output := newOutput()
	cmd := &cobra.Command{
		Use:   "audit [DIR]",
		Short: "Find plaintext secrets, files for unknown recipients, and changed files",
		Long: `Look through the repo in DIR (the working folder by default) for Secrets and Helm
and package values in plain text, SOPS files for other recipients than
.sops.yaml's and, with a key, files that somebody changed without it.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			g := bounded(cmd.Context(), s, output.value)
			defer g.Stop()
			r, err := openRepo(s, g, args, path, ageKey, pgpKey)
			if err != nil {
				return err
			}
			if r.options.Ignored, err = gitrepo.Ignored(cmd.Context(), folder(args)); err != nil {
				return err
			}
			var found []finding.Finding
			for _, repo := range r.repos {
				more, err := check.Audit(repo, r.tree, r.options)
				if err != nil {
					return err
				}
				found = finding.Merge(found, more)
			}
			return r.print(s, excuse(r.declares, found, false), output.value)
		},
	}
	f := cmd.Flags()
	f.StringVar(&path, "path", "", "folder that Flux is bootstrapped on, relative to the repo (default: found)")
	f.StringVar(&ageKey, "age-key", "", "file with the age key of the repo's SOPS files, - for stdin (default: $SOPS_AGE_KEY or $SOPS_AGE_KEY_FILE)")
	f.StringVar(&pgpKey, "pgp-key", "", pgpHelp)
	f.VarP(&output, "output", "o", "what to print on stdout")
	return cmd
}
