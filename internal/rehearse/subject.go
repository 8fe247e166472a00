package rehearse

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/check"
	"seatrial.dev/seatrial/internal/declaration"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/placeholder"
	"seatrial.dev/seatrial/internal/prerequisite"
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
	// Assumed are what the repo leans on and does not bring.
	Assumed []prerequisite.Assumption
	// Nodes are what its pods ask of nodes.
	Nodes prerequisite.Nodes
	// Gates are the feature gates of Kubernetes that the repo says are on.
	Gates []string
	// Placeholders are the values that files were re-keyed with; nil: none.
	Placeholders *placeholder.Set
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
	// Declares is what the repo declares of its rehearsal.
	Declares declaration.Declaration
	// URLs are the repo's own addresses, as far as they are known from outside its tree.
	URLs []string
	// Key decrypts the SOPS files; nil: there is none. Files that it is not meant for are re-keyed, with
	// placeholders for values.
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

// Own are the sources that a repo declares to stand for it.
func Own(d declaration.Declaration) []gitops.SourceRef {
	var out []gitops.SourceRef
	for _, s := range d.Sources {
		out = append(out, gitops.SourceRef{Kind: s.Kind, Namespace: cmp.Or(s.Namespace, gitops.FluxNamespace), Name: s.Name})
	}
	return out
}

// Several says that a tree holds several clusters, each of which is a subject of its own.
type Several struct {
	// Paths are the folders that Flux is bootstrapped on.
	Paths []string
}

// Error names them.
func (e *Several) Error() string {
	return "the repo holds several clusters: give --path one of " + strings.Join(e.Paths, ", ")
}

// NewSubject reads a tree. The error is a *Several if it holds several clusters and no Path was given.
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
	maker, err := newMaker(o.Dir)
	if err != nil {
		return nil, err
	}
	tree, err := gitops.Read(os.DirFS(o.Dir), working)
	if err != nil {
		return nil, err
	}
	links, err := o.Snapshot.Links(ctx)
	if err != nil {
		return nil, err
	}
	tree.Link(links)
	clusters, err := tree.Find(o.Path, o.Declares.Paths()...)
	if err != nil {
		return nil, err
	}
	if len(clusters) > 1 {
		return nil, &Several{gitops.Paths(clusters)}
	}
	s.Repo = tree.Repo(clusters[0], gitops.Options{URLs: o.URLs, Own: Own(o.Declares), Open: secrets.Opening(o.Key, maker)})
	s.Assumed = prerequisite.Find(s.Repo, o.Declares.Prerequisites)
	s.Nodes = prerequisite.NodesOf(s.Repo, o.Declares.Prerequisites.Nodes)
	s.Gates = prerequisite.Gates(tree)
	s.Repo.Before = prerequisite.Before(s.Assumed)
	s.Known = secrets.Known(o.Key, s.Repo)
	if o.Known != nil {
		o.Known(s.Known)
	}
	var known check.Options
	if o.Key != nil {
		known.KeyRecipients, known.KeyFingerprints = o.Key.Recipients(), o.Key.Fingerprints()
	}
	known.Namespaces = append(prerequisite.Namespaces(s.Assumed), o.Declares.PackagingGlobalNamespace)
	s.Static = check.Run(s.Repo, known)
	if o.Read != nil {
		o.Read()
	}
	s.TooLarge = slices.ContainsFunc(s.Static, func(f finding.Finding) bool { return f.Code == finding.TooLarge })
	if s.TooLarge {
		return s, nil
	}
	return s, s.rekey(ctx, maker)
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
