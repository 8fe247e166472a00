package rehearse

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/placeholder"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/secrets"
)

// newMaker makes what re-makes the files of the tree in dir.
func newMaker(dir string) (*secrets.Maker, error) {
	places, err := placeholder.Places(os.DirFS(dir))
	if err != nil {
		return nil, err
	}
	return secrets.NewMaker(places)
}

// rekey replaces those of the tree's SOPS files that the cluster could not decrypt by ones for a key that exists in
// memory only: with placeholder values where the given key is not meant for them, and with their own values
// where only a PGP key opens them, as kustomize-controller would call gpg, which it does not have here.
func (s *Subject) rekey(ctx context.Context, maker *secrets.Maker) error {
	// A file for a wrong recipient stays as it is: re-keying would make it readable and
	// hide that fault.
	wrong := map[string]bool{}
	for _, f := range s.Static {
		wrong[f.File] = wrong[f.File] || f.Code == finding.SOPSRecipient
	}
	changed, transcribed := map[string][]byte{}, 0
	for name, original := range s.Repo.EncryptedFiles() {
		if wrong[name] || strings.HasPrefix(name, ".seatrial/") { // of the latter, no cluster hears
			continue
		}
		remade, kept, err := s.remade(maker, name, original)
		switch {
		case err != nil:
			s.Static = finding.Merge(s.Static, s.notWhole(name, err))
		case remade != nil:
			changed[name] = remade
			if kept {
				transcribed++
			} else {
				s.Rekeyed = append(s.Rekeyed, report.Rekeyed{File: name, Original: hash(original), Rehearsed: hash(remade)})
			}
		}
	}
	slices.SortFunc(s.Rekeyed, func(a, b report.Rekeyed) int { return cmp.Compare(a.File, b.File) })
	if len(changed) > 0 || len(s.Key.Recipients()) == 0 && s.decrypts() {
		s.Key = maker.Key().And(s.Key)
	}
	s.Placeholders = maker.Made()
	if len(changed) == 0 {
		return nil
	}
	if n := len(s.Rekeyed); n > 0 {
		s.BlindSpots = append(s.BlindSpots, finding.Unseen(finding.NoAgeKey, "no key was given for them: whether %d encrypted files can be decrypted, and what their values do, was not rehearsed", n))
	}
	if transcribed > 0 {
		s.BlindSpots = append(s.BlindSpots, finding.Unseen(finding.PGPByAge, "%d files that a PGP key opens were rehearsed with their values, but encrypted for an age key: gpg does not run here", transcribed))
	}
	var err error
	s.Snapshot, err = s.Snapshot.Replace(ctx, changed)
	return err
}

// remade is a file made anew, and whether it kept its values; nil if the cluster can decrypt it as it is, or is to
// fail at it.
func (s *Subject) remade(maker *secrets.Maker, name string, original []byte) (remade []byte, kept bool, err error) {
	if !s.Key.Suits(original) {
		remade, err = maker.Rekey(name, original)
		return remade, false, err
	}
	if s.Key.NeedsPGP(original) {
		remade, err = maker.Transcribe(s.Key, original)
		return remade, true, err
	}
	return nil, false, nil
}

// notWhole says that a file can't be decrypted with any key, if a layer that decrypts uses it.
func (s *Subject) notWhole(name string, err error) []finding.Finding {
	if !s.used()[name] {
		return nil
	}
	return []finding.Finding{{
		Code: finding.DecryptFailed, Severity: finding.Error, File: name, Line: 1,
		Message: "the file is not a whole SOPS file", Fix: "encrypt it again", Evidence: err.Error(),
	}}
}

// used are the files of the objects that layers decrypt.
func (s *Subject) used() map[string]bool {
	out := map[string]bool{}
	for _, l := range s.Repo.Layers {
		for _, o := range l.Objects {
			if o.Encrypted && l.Decrypts {
				out[o.File] = true
			}
		}
	}
	return out
}

// decrypts says whether any layer does.
func (s *Subject) decrypts() bool {
	for _, l := range s.Repo.Layers {
		if l.Decrypts {
			return true
		}
	}
	return false
}
