package cli

import (
	"context"
	"io/fs"
	"os"
	"time"

	"seatrial.dev/seatrial/internal/declaration"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/policy"
)

// declaredIn reads what the repo in a folder declares of its own rehearsal, and refuses a .seatrial.yaml with a mistake,
// one in its policy of promotions among them: mistakes are best told early.
func declaredIn(dir string) (declaration.Declaration, error) {
	r, err := policy.Read(os.DirFS(dir))
	if err != nil || r == nil {
		return declaration.Declaration{}, err
	}
	return r.Declaration, nil
}

// declaredBy reads what the tree of a snapshot declares.
func declaredBy(ctx context.Context, s *gitrepo.Snapshot) (declaration.Declaration, error) {
	entries, err := s.Entries(ctx)
	if err != nil {
		return declaration.Declaration{}, err
	}
	look := func(name string) (fs.FileMode, bool) {
		kind, there := entries[name]
		return kind, there
	}
	r, err := policy.ReadFrom(look, func() ([]byte, error) { return s.File(ctx, policy.File) })
	if err != nil || r == nil {
		return declaration.Declaration{}, err
	}
	return r.Declaration, nil
}

// excuse marks the findings that the repo accepts. whole says that they are those of all its clusters, and by check: what it
// accepts to no purpose is told then.
func excuse(d declaration.Declaration, found []finding.Finding, whole bool) []finding.Finding {
	out := d.Excuse(found, time.Now())
	if whole {
		out = append(out, d.Stale(found, false)...)
	}
	return out
}
