package sources

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Entry is an exchange that is kept, and when it was used last.
type Entry struct {
	Exchange
	Used time.Time `json:"used"`
	file string
}

// List lists the exchanges, sorted by URL. A folder that does not exist has none.
func List(dir string) ([]Entry, error) {
	files, err := os.ReadDir(filepath.Join(dir, "exchanges"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, f := range files {
		e := Entry{file: filepath.Join(dir, "exchanges", f.Name())}
		b, err := os.ReadFile(e.file)
		if errors.Is(err, fs.ErrNotExist) { // pruned meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		info, err := f.Info()
		if err != nil {
			return nil, err
		}
		if e.Used = info.ModTime(); json.Unmarshal(b, &e.Exchange) == nil {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b Entry) int { return strings.Compare(a.URL+a.Method, b.URL+b.Method) })
	return out, nil
}

// Prune removes the exchanges that were not used since a time, and the bodies that no exchange points
// to. It returns how many exchanges went, and the bytes of the bodies.
func Prune(dir string, since time.Time) (exchanges int, size int64, err error) {
	all, err := List(dir)
	if err != nil {
		return 0, 0, err
	}
	used := map[string]bool{}
	for _, e := range all {
		if e.Used.Before(since) {
			if err := os.Remove(e.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return exchanges, size, err
			}
			exchanges++
			continue
		}
		used[strings.TrimPrefix(e.Digest, "sha256:")] = true
	}
	blobs, err := os.ReadDir(filepath.Join(dir, "blobs"))
	if errors.Is(err, fs.ErrNotExist) {
		return exchanges, size, nil
	}
	if err != nil {
		return exchanges, size, err
	}
	left, err := filepath.Glob(filepath.Join(dir, "new-*")) // of runs that were killed
	if err != nil {
		return exchanges, size, err
	}
	for _, b := range blobs {
		if !used[b.Name()] {
			left = append(left, filepath.Join(dir, "blobs", b.Name()))
		}
	}
	for _, file := range left {
		info, err := os.Stat(file)
		// What another run has just written, nothing may point to yet.
		if err != nil || time.Since(info.ModTime()) < time.Minute && !since.After(time.Now()) {
			continue
		}
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return exchanges, size, err
		}
		size += info.Size()
	}
	return exchanges, size, nil
}
