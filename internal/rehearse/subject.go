package rehearse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/check"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/redact"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/secrets"
)

// Identity says which tree a subject is.
type Identity struct {
	// Commit and Tree are Git's hashes of the tree before any file was re-keyed.
	Commit, Tree string
	// Origin says where the tree was taken from, for a person.
	Origin string
	// Rekeyed are the files that were re-keyed, with the hashes of both versions.
	Rekeyed []report.Rekeyed
}

// Subject is a tree to be rehearsed: read, parsed, checked and, if there is no key for its SOPS
// files, re-keyed. It is made once and does not change afterwards, so that subjects can be compared.
type Subject struct {
	Identity
	// Snapshot is the tree as it is rehearsed.
	Snapshot *gitrepo.Snapshot
	// Repo is the model of the tree before any file was re-keyed.
	Repo *gitops.Repo
	// Key is the key that the cluster decrypts with: the given one, or a new one that exists
	// in memory only; nil if there is nothing to decrypt.
	Key *secrets.Key
	// Known are the secret values of the tree.
	Known *redact.Set
	// Static is what internal/check finds.
	Static []finding.Finding
	// TooLarge is true if a file or layer is too large to be read. Nothing is rehearsed
	// then, as Flux's controllers would take the same memory and time.
	TooLarge bool
	// BlindSpots say what can't be seen because files were re-keyed.
	BlindSpots []finding.BlindSpot
}

// SubjectOptions say what a subject is made of.
type SubjectOptions struct {
	Snapshot *gitrepo.Snapshot
	// Path is the folder that Flux is bootstrapped on; empty: the only one in the tree.
	Path string
	// Key decrypts the SOPS files; nil: they are re-keyed, with placeholders for values.
	Key *secrets.Key
	// Dir is a private folder that gets the tree's files.
	Dir string
	// Working is called with the file or layer that is read next; may be nil.
	Working func(layer, file string)
	// Read is called when the whole repo has been read, and the guard over reading is no longer
	// needed; may be nil.
	Read func()
	// Known is told the secret values as soon as they are known; may be nil.
	Known func(*redact.Set)
}

// NewSubject reads a tree.
func NewSubject(ctx context.Context, o SubjectOptions) (*Subject, error) {
	s := &Subject{
		Identity: Identity{Commit: o.Snapshot.Commit, Tree: o.Snapshot.Tree, Origin: o.Snapshot.Origin},
		Snapshot: o.Snapshot, Key: o.Key,
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := o.Snapshot.Export(ctx, o.Dir); err != nil {
		return nil, err
	}
	working := func(layer, file string) {
		if o.Working != nil {
			o.Working(layer, file)
		}
	}
	tree, err := gitops.Read(os.DirFS(o.Dir), working)
	if err != nil {
		return nil, err
	}
	path, err := tree.Find(o.Path)
	if err != nil {
		return nil, err
	}
	if s.Repo, err = tree.Repo(path); err != nil {
		return nil, err
	}
	s.Known = secrets.Known(s.Repo, o.Key)
	if o.Known != nil {
		o.Known(s.Known)
	}
	var known check.Options
	if o.Key != nil {
		known.KeyRecipients = o.Key.Recipients()
	}
	s.Static = check.Run(s.Repo, known)
	if o.Read != nil {
		o.Read()
	}
	s.TooLarge = slices.ContainsFunc(s.Static, func(f finding.Finding) bool { return f.Code == finding.TooLarge })
	if s.TooLarge || o.Key != nil {
		return s, nil
	}
	return s, s.rekey(ctx, o.Dir)
}

// rekey replaces the tree's SOPS files by ones for a new key that exists in memory
// only, with placeholder values.
func (s *Subject) rekey(ctx context.Context, dir string) error {
	files := map[string]bool{}
	for _, l := range s.Repo.Layers {
		for _, o := range l.Objects {
			if o.Encrypted && l.Decrypts && o.File != "" {
				files[o.File] = true
			}
		}
	}
	if len(files) == 0 {
		return nil
	}
	// A file for a wrong recipient stays as it is: re-keying would make it readable and
	// hide that fault.
	for _, f := range s.Static {
		if f.Code == finding.SOPSRecipient {
			delete(files, f.File)
		}
	}
	var err error
	if s.Key, err = secrets.NewKey(); err != nil || len(files) == 0 {
		return err
	}
	changed := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		original, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		rekeyed, err := secrets.Rekey(original, s.Key.Recipients())
		if err != nil {
			s.Static = finding.Merge(s.Static, []finding.Finding{{
				Code: finding.DecryptFailed, Severity: finding.Error, File: name, Line: 1,
				Message: "the file is not a whole SOPS file", Fix: "encrypt it again", Evidence: err.Error(),
			}})
			continue
		}
		changed[name] = rekeyed
		s.Rekeyed = append(s.Rekeyed, report.Rekeyed{File: name, Original: hash(original), Rehearsed: hash(rekeyed)})
	}
	s.BlindSpots = append(s.BlindSpots, finding.Unseen(finding.NoAgeKey, "no age key was given: whether the %d encrypted files can be decrypted, and what their values do, was not rehearsed", len(changed)))
	s.Snapshot, err = s.Snapshot.Replace(ctx, changed)
	return err
}

// unredacted lists the secret values that are not, or not completely, removed from messages.
func (s *Subject) unredacted() []finding.BlindSpot {
	var out []finding.BlindSpot
	if short := s.Known.Short(); len(short) > 0 {
		out = append(out, finding.Unseen(finding.Unredacted, "values of fewer than %d characters are not taken out of messages: %s", redact.MinLength, strings.Join(short, "; ")))
	}
	if crowded := s.Known.Crowded(); len(crowded) > 0 {
		out = append(out, finding.Unseen(finding.Unredacted, "values of too many lines or parts are taken out of messages as a whole only: %s", strings.Join(crowded, "; ")))
	}
	return out
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
