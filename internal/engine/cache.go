// Package engine builds the embedded tier's binaries from pinned Go modules,
// once per machine, and finds them again.
//
// A family (the binaries of one module) is built into a folder whose name includes a
// hash of everything that decides its bytes, so a changed pin never uses an old binary.
// The folder appears by a rename when it is complete.
package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/tool"
)

// Cache is the folder that holds built families.
type Cache struct {
	Dir       string
	goVersion string
	recipe    []byte // see OpenCache
}

// CacheEnv names the environment variable that moves the cache folder.
const CacheEnv = "SEATRIAL_CACHE"

// Go is the toolchain that builds the engine.
var Go = tool.Tool{Name: "go", Version: []string{"version"}, Install: "install Go (https://go.dev/dl) and put it on PATH"}

// OpenCache finds the cache folder ($SEATRIAL_CACHE, else seatrial in the
// user's cache folder) and the Go toolchain. It creates nothing. recipe is what a seed
// is made of, beside the engine: another recipe needs another seed.
func OpenCache(ctx context.Context, recipe []byte) (*Cache, error) {
	dir, err := CacheDir()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, Go.Name, "env", "GOVERSION")
	cmd.Env = withoutSettings(os.Environ())
	out, err := cmd.Output()
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("run go env: %w", err), Go.Install)
	}
	return &Cache{Dir: filepath.Join(dir, "engine"), goVersion: strings.TrimSpace(string(out)), recipe: recipe}, nil
}

// CacheDir returns the absolute path of the cache folder: $SEATRIAL_CACHE, else
// seatrial in the user's cache folder.
func CacheDir() (string, error) {
	dir := os.Getenv(CacheEnv)
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a cache folder: %w: set %s", err, CacheEnv)
		}
		dir = filepath.Join(base, "seatrial")
	}
	return filepath.Abs(dir)
}

// familyDir is the folder of a family, whether it is built yet or not.
func (c *Cache) familyDir(f Family) (string, error) {
	key, err := f.Key(c.goVersion)
	if err != nil {
		return "", err
	}
	if f.Name == seed.Name {
		sum := sha256.Sum256(append([]byte(key), c.recipe...))
		key = hex.EncodeToString(sum[:])[:len(key)]
	}
	return filepath.Join(c.Dir, f.Name+"-"+key), nil
}

// Missing returns the families that a run would have to build.
func (c *Cache) Missing() ([]Family, error) {
	var out []Family
	for _, f := range families {
		dir, err := c.familyDir(f)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			out = append(out, f)
		} else if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Engine is a complete set of built families.
type Engine struct {
	dirs map[string]string // by family
}

// Engine returns the built families, and the seed if there is one, or an error that says
// how to build what is missing.
func (c *Cache) Engine() (*Engine, error) {
	e := &Engine{dirs: map[string]string{}}
	for _, f := range families {
		dir, err := c.familyDir(f)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("the engine lacks %s: run seatrial engine build", f.Title)
		}
		e.dirs[f.Name] = dir
	}
	if yes, err := c.Seeded(); err != nil || !yes {
		return e, err
	}
	dir, err := c.familyDir(seed)
	e.dirs[seed.Name] = dir
	return e, err
}

// At is the engine whose families are in these folders.
func At(dirs map[string]string) *Engine { return &Engine{dirs: dirs} }

// Binary returns the path of a binary by its name.
func (e *Engine) Binary(name string) (string, error) {
	for _, f := range families {
		if _, ok := f.Binaries[name]; ok {
			return filepath.Join(e.dirs[f.Name], "bin", name), nil
		}
	}
	return "", fmt.Errorf("no family builds %q", name)
}

// Dirs returns the folders of the engine, by family.
func (e *Engine) Dirs() map[string]string { return e.dirs }

// Moved returns the same engine with every family folder below dir, by family name.
func (e *Engine) Moved(dir string) *Engine {
	moved := &Engine{dirs: map[string]string{}}
	for name := range e.dirs {
		moved.dirs[name] = filepath.Join(dir, name)
	}
	return moved
}

// Manifest returns a rendered install manifest: flux or kapp-controller.
func (e *Engine) Manifest(family string) ([]byte, error) {
	return os.ReadFile(filepath.Join(e.dirs[family], manifestFile))
}

// WatcherManifest returns what flux install --components-extra=source-watcher adds to Flux's manifest.
func (e *Engine) WatcherManifest() ([]byte, error) {
	return os.ReadFile(filepath.Join(e.dirs["flux"], watcherFile))
}

// Entry is one built family in the cache.
type Entry struct {
	Name    string    `json:"name"`
	Dir     string    `json:"dir"`
	Bytes   int64     `json:"bytes"`
	Built   time.Time `json:"built"`
	Current bool      `json:"current"`
}

// List returns what the cache holds, leftovers of interrupted builds included.
func (c *Cache) List() ([]Entry, error) {
	current := map[string]bool{}
	parts, err := c.parts()
	if err != nil {
		return nil, err
	}
	for _, f := range parts {
		dir, err := c.familyDir(f)
		if err != nil {
			return nil, err
		}
		current[dir] = true
	}
	dirs, err := os.ReadDir(c.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, d := range dirs {
		if !d.IsDir() {
			continue
		}
		info, err := d.Info()
		if err != nil {
			return nil, err
		}
		dir := filepath.Join(c.Dir, d.Name())
		size, err := treeSize(dir)
		if err != nil {
			return nil, err
		}
		out = append(out, Entry{Name: d.Name(), Dir: dir, Bytes: size, Built: info.ModTime(), Current: current[dir]})
	}
	return out, nil
}

func treeSize(dir string) (int64, error) {
	var size int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}

// Prune removes the families that the current pins don't use, or all if all is set, and
// leftovers of builds. It returns what it has removed. While another process holds the
// cache's lock it waits, after a call of waiting.
func (c *Cache) Prune(ctx context.Context, all bool, waiting func()) ([]Entry, error) {
	if _, err := os.Stat(c.Dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	unlock, err := c.lock(ctx, waiting)
	if err != nil {
		return nil, err
	}
	defer unlock()
	entries, err := c.List()
	if err != nil {
		return nil, err
	}
	var removed []Entry
	for _, e := range entries {
		if e.Current && !all {
			continue
		}
		if err := os.RemoveAll(e.Dir); err != nil {
			return removed, err
		}
		removed = append(removed, e)
	}
	return removed, nil
}

// lock makes this process the only one that writes to the cache, and returns a function
// that frees the lock. The kernel frees it when its holder dies, so a killed build
// never blocks the next.
func (c *Cache) lock(ctx context.Context, waiting func()) (func(), error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the cache folder: %w: set %s to a folder you may write to", err, CacheEnv)
	}
	f, err := os.OpenFile(filepath.Join(c.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		if !told && waiting != nil {
			waiting()
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
