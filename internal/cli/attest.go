package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"seatrial.dev/seatrial/internal/clone"
	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/evidence"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/policy"
	"seatrial.dev/seatrial/internal/promote"
	"seatrial.dev/seatrial/internal/report"
)

// attestFlags have verify keep evidence.
type attestFlags struct {
	file   string
	notes  bool
	key    string
	sealed []byte // keep: what was written to file
}

func (a *attestFlags) register(f *pflag.FlagSet) {
	f.StringVar(&a.file, "attest", "", "write evidence of the verdict to this file: DSSE envelopes, one a line")
	f.BoolVar(&a.notes, "attest-notes", false, "keep the evidence with the commit, in the Git notes refs/notes/seatrial")
	f.StringVar(&a.key, "signing-key", "", "file with the key that signs evidence, - for stdin (default: $"+evidence.KeyEnv+" or $"+evidence.KeyFileEnv+"; without a key, it is not signed)")
}

// wanted says whether there is evidence to keep.
func (a *attestFlags) wanted() bool { return a.file != "" || a.notes }

// validate refuses what can't work before anything is rehearsed.
func (a *attestFlags) validate(dir string) error {
	if a.key != "" && !a.wanted() {
		return hint.New("--signing-key has no effect without evidence", "give --attest FILE or --attest-notes")
	}
	if a.file != "" {
		if info, err := os.Stat(filepath.Dir(a.file)); err != nil || !info.IsDir() {
			return fmt.Errorf("--attest: %s is not a folder: make it first", filepath.Dir(a.file))
		}
		if err := writable(a.file); err != nil {
			return fmt.Errorf("--attest: %w", err)
		}
	}
	if a.notes {
		if dir == "" {
			dir = "."
		}
		if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
			return hint.New(fmt.Sprintf("--attest-notes: %s is no clone of a Git repo", dir), "rehearse a clone, or write a file: --attest FILE")
		}
	}
	return nil
}

// keep signs what a report says, and keeps it where it was asked for.
func (a *attestFlags) keep(ctx context.Context, r *report.Report, dir string, key *evidence.Key, c *console.Console) error {
	if !a.wanted() {
		return nil
	}
	if r.Tree == "" {
		return errors.New("there is no evidence: the tree could not be taken")
	}
	lines, err := evidence.Seal(ctx, evidence.Of(r, time.Now()), key)
	if err != nil {
		return err
	}
	if key == nil && a.notes {
		c.Note("the evidence is not signed, as no key was given: whoever can write to the repo can make such, and a policy that names keys refuses it")
	}
	if a.file != "" {
		a.sealed = append(a.sealed, lines...) // of several clusters, one after the other
		if err := os.WriteFile(a.file, a.sealed, 0o644); err != nil {
			return fmt.Errorf("write the evidence: %w", err)
		}
	}
	if !a.notes {
		return nil
	}
	if r.Commit == "" {
		return hint.New("the evidence was not kept with a commit: the tree that was rehearsed is not committed", "commit it first, and rehearse it again")
	}
	if dir == "" {
		dir = "."
	}
	repo, err := clone.Open(ctx, dir)
	if err != nil {
		return fmt.Errorf("keep the evidence in Git notes: %w", err)
	}
	if err := repo.AddNotes(ctx, clone.Evidence, r.Commit, lines); err != nil {
		return fmt.Errorf("keep the evidence in Git notes: %w", err)
	}
	c.Note(fmt.Sprintf("kept the evidence with commit %.12s: seatrial promote sends it along", r.Commit))
	return nil
}

func newAttest(s Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "attest",
		Short: "Make keys for evidence, verify it and show it",
		Long: `Evidence of rehearsals: in-toto statements in DSSE envelopes, which name the Git
tree that was rehearsed. seatrial verify --attest makes it.`,
	}
	cmd.AddCommand(newAttestKeygen(s), newAttestVerify(s), newAttestShow(s))
	return group(cmd)
}

func newAttestKeygen(s Streams) *cobra.Command {
	var ecdsa bool
	cmd := &cobra.Command{
		Use:   "keygen FILE",
		Short: "Write a new signing key to FILE, its public key to FILE.pub, and print that",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			public, err := evidence.Generate(args[0], ecdsa)
			if err != nil {
				return err
			}
			console.New(s.Err).Note("wrote " + args[0] + ": give it to the CI as a secret, and name " + args[0] + ".pub in the policy (promotion.evidence.keys)")
			_, err = s.Out.Write(public)
			return err
		},
	}
	cmd.Flags().BoolVar(&ecdsa, "ecdsa", false, "make an ECDSA key on P-256, which cosign takes, instead of an Ed25519 one")
	return cmd
}

// source is where evidence is read from: a file of envelopes, or a clone's notes of its last commit.
type source struct {
	lines  []byte
	tree   string            // of a clone's last commit; empty for a file
	policy *policy.Promotion // of a clone; nil for a file
}

func readEvidence(ctx context.Context, from string) (source, error) {
	if from == "" {
		from = "."
	}
	if info, err := os.Stat(from); err == nil && !info.IsDir() {
		b, err := os.ReadFile(from)
		return source{lines: b}, err
	}
	c, err := clone.Open(ctx, from)
	if err != nil {
		return source{}, err
	}
	head, err := c.Head(ctx)
	if err != nil {
		return source{}, err
	}
	var out source
	if out.tree, err = c.Tree(ctx, head); err != nil {
		return source{}, err
	}
	if out.lines, err = c.Notes(ctx, clone.Evidence, head); err != nil {
		return source{}, err
	}
	out.policy, err = promote.LoadPolicy(ctx, c, head)
	return out, err
}

func newAttestVerify(s Streams) *cobra.Command {
	var keyFiles []string
	output := newOutput()
	cmd := &cobra.Command{
		Use:   "verify [FILE|DIR]",
		Short: "Verify the signatures of evidence, and say what it proves",
		Long: `Verify the evidence in FILE, or that of the last commit of the clone DIR, with the
public keys given, or else those of the clone's policy. It passes if evidence of
a rehearsal that passed is signed by one of the keys and, of a clone, is of the
last commit's tree. What the policy accepts beyond that, promote weighs.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := readEvidence(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			var keys []evidence.PublicKey
			for _, file := range keyFiles {
				text, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				k, err := evidence.ParsePublicKey(text)
				if err != nil {
					return fmt.Errorf("%s: %w", file, err)
				}
				keys = append(keys, k)
			}
			if len(keyFiles) == 0 && from.policy != nil {
				keys = from.policy.PublicKeys()
			}
			if len(keys) == 0 {
				return hint.New("no public key to verify with", "give --key FILE.pub, as seatrial attest keygen wrote it")
			}
			opened, refused := evidence.Open(cmd.Context(), from.lines, keys, false)
			return tellEvidence(s, opened, refused, from.tree, output.value)
		},
	}
	cmd.Flags().StringArrayVar(&keyFiles, "key", nil, "file with a public key, of which one must have signed; may be repeated (default: the policy's)")
	cmd.Flags().VarP(&output, "output", "o", "what to print on stdout")
	return cmd
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// tellEvidence prints what evidence proves. It exits with 1 unless some of it is of a pass, and of the
// tree if one is given.
func tellEvidence(s Streams, opened []evidence.Opened, refused []evidence.Refused, tree, format string) error {
	c, proves := console.New(s.Err), false
	for _, r := range refused {
		c.Note("not read: " + r.Error())
	}
	for _, o := range opened {
		proves = proves || o.Passes() && (tree == "" || o.Tree == tree)
		if tree != "" && o.Tree != tree {
			c.Note(fmt.Sprintf("it is of tree %.12s, and the last commit's is %.12s", o.Tree, tree))
		}
	}
	if len(opened)+len(refused) == 0 {
		c.Note("there is no evidence: seatrial verify --attest-notes keeps it with the commit")
	}
	if format == outputJSON {
		if err := printJSON(s, opened); err != nil {
			return err
		}
	} else {
		for _, o := range opened {
			signer := "no verified signature"
			if o.SignedBy != "" {
				signer = "signed by " + o.SignedBy[:min(12, len(o.SignedBy))]
			}
			fmt.Fprintf(s.Out, "%s  tree %.12s  commit %.12s  tier %s  %s  %s\n", o.Verdict, o.Tree, o.Commit, o.Tier, o.Finished.Format(time.RFC3339), signer)
		}
	}
	if !proves {
		return exit(exitFail)
	}
	return nil
}

func newAttestShow(s Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "show [FILE|DIR]",
		Short: "Show what evidence says, without verifying it",
		Long: `Print the statements in FILE, or of the last commit of the clone DIR, as JSON.
Nothing is verified: what it prints may be forged. seatrial attest verify tells.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := readEvidence(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			c := console.New(s.Err)
			c.Note("shown without verifying signatures: it may be forged")
			shown, refused := evidence.Payloads(from.lines)
			for _, r := range refused {
				c.Note("not read: " + r.Error())
			}
			for _, p := range shown {
				e := json.NewEncoder(s.Out)
				e.SetIndent("", "  ")
				if err := e.Encode(p); err != nil {
					return err
				}
			}
			if len(shown) == 0 {
				return exit(exitFail)
			}
			return nil
		},
	}
}
