package clone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// Where lines are kept with commits, as Git notes.
const (
	Evidence = "refs/notes/seatrial"          // envelopes
	Promoted = "refs/notes/seatrial-promoted" // names of targets that reconciled it
)

// Notes are the lines kept with a commit; nil if there are none.
func (c *Clone) Notes(ctx context.Context, notes, commit string) ([]byte, error) {
	b, err := c.bytes(ctx, settings(), nil, "notes", "--ref="+notes, "show", commit)
	var exited *exec.ExitError
	if errors.As(err, &exited) && exited.ExitCode() == 1 && strings.Contains(err.Error(), "no note found") {
		return nil, nil
	}
	return b, err
}

// AddNotes keeps lines with a commit, after those that it has; a line that it has is not added again.
func (c *Clone) AddNotes(ctx context.Context, notes, commit string, lines []byte) error {
	have, err := c.Notes(ctx, notes, commit)
	if err != nil {
		return err
	}
	all, added := bytes.TrimRight(have, "\n"), false
	for _, line := range bytes.Split(lines, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 || slices.ContainsFunc(bytes.Split(have, []byte("\n")), func(b []byte) bool { return bytes.Equal(bytes.TrimSpace(b), line) }) {
			continue
		}
		all, added = append(append(bytes.Clone(all), '\n'), line...), true
	}
	if !added {
		return nil
	}
	all = append(bytes.TrimLeft(all, "\n"), '\n')
	_, err = c.run(ctx, append(settings(), identity...), bytes.NewReader(all), "notes", "--ref="+notes, "add", "--force", "--file=-", commit)
	return err
}

// FetchNotes adds what a remote keeps there to what this clone keeps.
func (c *Clone) FetchNotes(ctx context.Context, remote, notes string) error {
	theirs, err := c.fetch(ctx, remote, notes)
	if err != nil || theirs == "" {
		return err
	}
	if ours, err := c.out(ctx, "rev-parse", "--verify", "--quiet", notes); err != nil || ours == "" {
		_, err := c.out(ctx, "update-ref", notes, theirs)
		return err
	}
	_, err = c.run(ctx, append(settings(), identity...), nil, "notes", "--ref="+notes, "merge", "--quiet", "--strategy=cat_sort_uniq", theirs)
	return err
}

// PushNotes sends what this clone keeps to a remote. If the remote's have moved meanwhile, both are
// brought together and sent again.
func (c *Clone) PushNotes(ctx context.Context, remote, notes string) error {
	if ours, err := c.out(ctx, "rev-parse", "--verify", "--quiet", notes); err != nil || ours == "" {
		return nil // there are none
	}
	var failed error
	for range 3 {
		if _, failed = c.remote(ctx, remote, "push", "--quiet", "--no-verify", remote, notes+":"+notes); failed == nil {
			return nil
		}
		if err := c.FetchNotes(ctx, remote, notes); err != nil {
			return errors.Join(failed, err)
		}
	}
	return fmt.Errorf("the evidence could not be sent: %w", failed)
}
