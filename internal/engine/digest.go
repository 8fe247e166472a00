package engine

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"seatrial.dev/seatrial/internal/hint"
)

// digestFile lists the digests of a family's files, as sha256sum writes them.
const digestFile = "digests"

// stampFile lists the files that were verified, with their stamps. The kernel changes a
// file's change time with every write, so a file is only read again if its stamp differs.
const stampFile = "verified.json"

// stamp is a file's metadata as the kernel keeps it; times are in nanoseconds since 1970.
type stamp struct {
	Size, Inode, Modified, Changed int64
}

// Broken is the error for a file of the engine that differs from what was built.
type Broken struct {
	Family Family
	File   string
	Why    string
}

// broken makes a Broken, with a hint how to mend it.
func broken(f Family, file, why string) error {
	return hint.Wrap(&Broken{f, file, why}, "seatrial engine build builds it again")
}

// Error implements error.
func (b *Broken) Error() string {
	return fmt.Sprintf("the engine is broken: %s (%s) %s", b.File, b.Family.Title, b.Why)
}

// writeDigests records the digests of all files of a family that is being built.
func writeDigests(dir string) error {
	var out strings.Builder
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		sum, err := digest(context.Background(), name)
		fmt.Fprintf(&out, "%s  %s\n", sum, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, digestFile), []byte(out.String()), 0o644)
}

// digest returns the SHA-256 of a file in hexadecimal. It stops when ctx ends.
func digest(ctx context.Context, name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	for {
		_, err := io.CopyN(h, f, 4<<20)
		if errors.Is(err, io.EOF) {
			break
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Verify compares every file of the engine with the digest from its build, and returns
// a Broken if one differs. A file that was verified before is only read again if its
// metadata has changed, or if again is set.
func (c *Cache) Verify(ctx context.Context, again bool) error {
	known := map[string]stamp{}
	if b, err := os.ReadFile(filepath.Join(c.Dir, stampFile)); err == nil && !again {
		_ = json.Unmarshal(b, &known) // what can't be read is verified anew
	}
	parts, err := c.parts()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	now := make([]map[string]stamp, len(parts))
	for i, f := range parts {
		group.Go(func() error {
			var err error
			now[i], err = c.verify(ctx, f, known)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	all := map[string]stamp{}
	for _, stamps := range now {
		for name, s := range stamps {
			all[name] = s
		}
	}
	return c.remember(all, known)
}

// remember writes the stamps if they have changed. If the cache can't be written to,
// all files are read each time.
func (c *Cache) remember(now, before map[string]stamp) error {
	changed := len(now) != len(before)
	for name, s := range now {
		changed = changed || before[name] != s
	}
	if !changed {
		return nil
	}
	b, err := json.Marshal(now)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(c.Dir, stampFile+".*"+partial)
	if err != nil {
		return nil
	}
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Close(), os.Rename(tmp.Name(), filepath.Join(c.Dir, stampFile))); err != nil {
		_ = os.Remove(tmp.Name())
	}
	return nil
}

// verify looks at one family and returns the stamps of its files.
func (c *Cache) verify(ctx context.Context, f Family, known map[string]stamp) (map[string]stamp, error) {
	dir, err := c.familyDir(f)
	if err != nil {
		return nil, err
	}
	list, err := os.Open(filepath.Join(dir, digestFile))
	if err != nil {
		return nil, broken(f, filepath.Join(dir, digestFile), "is missing")
	}
	defer list.Close()
	stamps := map[string]stamp{}
	lines := bufio.NewScanner(list)
	var seen []string
	for lines.Scan() {
		want, rel, ok := strings.Cut(lines.Text(), "  ")
		name := filepath.Join(dir, filepath.FromSlash(rel))
		if !ok || !filepath.IsLocal(filepath.FromSlash(rel)) {
			return nil, broken(f, list.Name(), "can't be read")
		}
		seen = append(seen, rel)
		now, err := stampOf(name)
		if err != nil {
			return nil, broken(f, name, "can't be read: "+err.Error())
		}
		if known[name] != now {
			sum, err := digest(ctx, name)
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if err != nil {
				return nil, broken(f, name, "can't be read: "+err.Error())
			}
			if sum != want {
				return nil, broken(f, name, "is not as it was built: its digest is another")
			}
		}
		stamps[name] = now
	}
	for _, name := range f.files() {
		if !slices.Contains(seen, name) {
			return nil, broken(f, list.Name(), "lacks "+name)
		}
	}
	return stamps, lines.Err()
}

// files are those that a family must have.
func (f Family) files() []string {
	if f.Name == seed.Name {
		return []string{seedFile}
	}
	var out []string
	for name := range f.Binaries {
		out = append(out, "bin/"+name)
	}
	return out
}

func stampOf(name string) (stamp, error) {
	info, err := os.Stat(name)
	if err != nil {
		return stamp{}, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return stamp{}, errors.New("the kernel says nothing of it")
	}
	return stamp{Size: st.Size, Inode: int64(st.Ino), Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano()}, nil
}

// DropBroken removes what is not as it was made, so that it is made again. While another
// process holds the cache's lock it waits, after a call of waiting.
func (c *Cache) DropBroken(ctx context.Context, waiting func()) error {
	unlock, err := c.lock(ctx, waiting)
	if err != nil {
		return err
	}
	defer unlock()
	return c.dropBroken(ctx)
}

// dropBroken removes the families that are not as they were built, so that they
// are built again. The caller holds the lock.
func (c *Cache) dropBroken(ctx context.Context) error {
	parts, err := c.parts()
	if err != nil {
		return err
	}
	for _, f := range parts {
		dir, err := c.familyDir(f)
		if err != nil {
			return err
		}
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		var broken *Broken
		if _, err := c.verify(ctx, f, nil); errors.As(err, &broken) {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
	}
	return nil
}
