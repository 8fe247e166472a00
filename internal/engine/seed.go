package engine

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// seed is the state of a cluster in which Flux and kapp-controller are installed already, so
// that a rehearsal need not do it. The cache keeps it as it keeps a family; it is not built,
// but taken from a cluster of the families that it is of.
var seed = Family{
	Name: "seed", Title: "a cluster with Flux and kapp-controller installed",
	of: []string{"controlplane", "flux", "kapp-controller"},
}

// seedFile is the one file of a seed.
const seedFile = "state"

// parts are all that the cache keeps for these pins: the families, and the flux command and the seed
// if they are there already.
func (c *Cache) parts() ([]Family, error) {
	all := slices.Clone(families)
	if cli, _, err := c.FluxCLI(); err != nil {
		return nil, err
	} else if cli != "" {
		all = append(all, fluxCLI)
	}
	if yes, err := c.Seeded(); err != nil {
		return nil, err
	} else if yes {
		all = append(all, seed)
	}
	return all, nil
}

// Seeded says whether the cache has a seed for these pins.
func (c *Cache) Seeded() (bool, error) {
	dir, err := c.familyDir(seed)
	if err != nil {
		return false, err
	}
	if _, err = os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// KeepSeed writes a seed into the cache. While another process holds the cache's lock it
// waits, after a call of waiting; if that process has written a seed, that one stays.
func (c *Cache) KeepSeed(ctx context.Context, state []byte, waiting func()) error {
	unlock, err := c.lock(ctx, waiting)
	if err != nil {
		return err
	}
	defer unlock()
	if yes, err := c.Seeded(); err != nil || yes {
		return err
	}
	final, err := c.familyDir(seed)
	if err != nil {
		return err
	}
	work := final + partial
	defer os.RemoveAll(work)
	if err := os.RemoveAll(work); err != nil { // what a killed process has left
		return err
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, seedFile), state, 0o644); err != nil {
		return err
	}
	if err := writeDigests(work); err != nil {
		return err
	}
	return os.Rename(work, final)
}

// Seed returns the path of the engine's seed, or "" if it has none.
func (e *Engine) Seed() string {
	if dir, ok := e.dirs[seed.Name]; ok {
		return filepath.Join(dir, seedFile)
	}
	return ""
}
