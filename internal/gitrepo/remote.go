package gitrepo

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Access is a repository on a Git server, over HTTP.
type Access struct {
	URL      string
	User     string
	Password string // a token

	protocols string // that git may speak; empty: http and https
}

// env passes the password to git in the environment, which other users can't see,
// unlike arguments.
func (a Access) env() []string {
	basic := base64.StdEncoding.EncodeToString([]byte(a.User + ":" + a.Password))
	return append(settings("http.extraHeader=Authorization: Basic "+basic), "GIT_ALLOW_PROTOCOL="+cmp.Or(a.protocols, "http:https"))
}

// Push sends the snapshot to an empty repository. A shallow clone lacks the parents of its
// commit, so its tree is sent as a new commit without parents; s.Commit is then that one.
func (s *Snapshot) Push(ctx context.Context, to Access) error {
	commit := s.Commit
	if _, err := os.Stat(filepath.Join(s.GitDir, "shallow")); err == nil {
		if commit, err = s.commitTree(ctx, s.Tree, "", "rehearsal of "+s.Origin); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.git(ctx, to.env(), "push", "--quiet", to.URL, commit+":refs/heads/"+Branch); err != nil {
		return fmt.Errorf("publish the tree: %w", err)
	}
	s.Commit = commit
	return nil
}

// Change is a file that differs between two snapshots.
type Change struct {
	File          string
	Before, After string // hashes of the blobs; empty if the file does not exist
}

// Advance fetches the server's branch. It returns the new snapshot and the files that
// differ from s.
func (s *Snapshot) Advance(ctx context.Context, from Access) (*Snapshot, []Change, error) {
	if err := s.git(ctx, from.env(), "fetch", "--quiet", from.URL, "+refs/heads/"+Branch+":refs/heads/advanced"); err != nil {
		return nil, nil, fmt.Errorf("fetch the bootstrapped tree: %w", err)
	}
	next := *s
	var err error
	if next.Commit, err = s.output(ctx, nil, "rev-parse", "refs/heads/advanced"); err != nil {
		return nil, nil, err
	}
	if next.Tree, err = s.output(ctx, nil, "rev-parse", "refs/heads/advanced^{tree}"); err != nil {
		return nil, nil, err
	}
	list, err := s.output(ctx, settings("core.quotePath=false"), "diff-tree", "-r", "--no-commit-id", s.Commit, next.Commit)
	if err != nil {
		return nil, nil, err
	}
	changes, err := parseChanges(list)
	return &next, changes, err
}

// parseChanges reads the raw output of git diff-tree.
func parseChanges(list string) ([]Change, error) {
	var out []Change
	for _, line := range strings.Split(list, "\n") {
		if line == "" {
			continue
		}
		meta, file, ok := strings.Cut(line, "\t")
		fields := strings.Fields(meta)
		if !ok || len(fields) != 5 {
			return nil, fmt.Errorf("git diff-tree: unexpected line %q", line)
		}
		c := Change{File: file, Before: fields[2], After: fields[3]}
		const none = "0000000000000000000000000000000000000000"
		if c.Before == none {
			c.Before = ""
		}
		if c.After == none {
			c.After = ""
		}
		out = append(out, c)
	}
	return out, nil
}
