package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T) *Cache {
	t.Helper()
	t.Setenv(CacheEnv, t.TempDir())
	c, err := OpenCache(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryPinDecidesTheKey(t *testing.T) {
	f := families[0]
	a, err := f.Key("go1.26.0")
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := f.Key("go1.26.1"); a == b {
		t.Error("another Go toolchain has the same key")
	}
	other := f
	other.Binaries = map[string]string{"controlplane": "./other"}
	if b, _ := other.Key("go1.26.0"); a == b {
		t.Error("another package has the same key")
	}
	if b, _ := f.Key("go1.26.0"); a != b {
		t.Error("the key is not stable")
	}
}

func TestVersionsAreThePins(t *testing.T) {
	v, err := Versions()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kubernetes", "flux", "kapp-controller"} {
		if !strings.HasPrefix(v[name], "v") {
			t.Errorf("%s: got %q", name, v[name])
		}
	}
	kubernetes, _, _ := strings.Cut(v["kubernetes"], ",")
	args, err := families[0].buildArgs()
	if err != nil || !slices.ContainsFunc(args, func(s string) bool { return strings.Contains(s, "gitVersion="+kubernetes) }) {
		t.Errorf("the version is not stamped: %v, %v", args, err)
	}
}

func TestPruneKeepsWhatIsInUse(t *testing.T) {
	c := open(t)
	used, err := c.familyDir(families[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{used, filepath.Join(c.Dir, "flux-0123"), filepath.Join(c.Dir, "flux-4567"+partial)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if missing, err := c.Missing(); err != nil || len(missing) != len(families)-1 {
		t.Errorf("missing %d, %v", len(missing), err)
	}
	if _, err := c.Engine(); err == nil {
		t.Error("an incomplete engine is given out")
	}
	removed, err := c.Prune(context.Background(), false, nil)
	if err != nil || len(removed) != 2 {
		t.Fatalf("removed %+v, %v", removed, err)
	}
	if _, err := os.Stat(used); err != nil {
		t.Error("what is in use is gone")
	}
}

func TestLockIsExclusiveAndSaysThatItWaits(t *testing.T) {
	c := open(t)
	unlock, err := c.lock(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	told := 0
	if _, err := c.lock(ctx, func() { told++ }); !errors.Is(err, context.DeadlineExceeded) || told != 1 {
		t.Errorf("got %v, told %d times", err, told)
	}
	unlock()
	again, err := c.lock(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestBuildEnvironmentHasNoKeys(t *testing.T) {
	t.Setenv("SOPS_AGE_KEY", "AGE-SECRET-KEY-CANARY")
	t.Setenv("GOFLAGS", "-tags=x")
	cmd := open(t).goCommand(context.Background(), ".", ".", "version")
	for _, kv := range cmd.Env {
		if strings.Contains(kv, "CANARY") || kv == "GOFLAGS=-tags=x" {
			t.Errorf("inherited %q", kv)
		}
	}
}

// whole makes an engine of small files with correct digests.
func whole(t *testing.T) *Cache {
	t.Helper()
	c := open(t)
	for _, f := range families {
		dir, err := c.familyDir(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		for name := range f.Binaries {
			if err := os.WriteFile(filepath.Join(dir, "bin", name), []byte("binary of "+name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := writeDigests(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Verify(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	return c
}

// A file that was changed after the build is found, even if it was verified before the change.
func TestBrokenEngineIsFound(t *testing.T) {
	for name, spoil := range map[string]func(file string) error{
		"truncated": func(file string) error { return os.Truncate(file, 3) },
		"changed": func(file string) error { // with the same size and time
			info, err := os.Stat(file)
			if err != nil {
				return err
			}
			if err := os.WriteFile(file, []byte("BINARY of vendir"), 0o755); err != nil {
				return err
			}
			return os.Chtimes(file, info.ModTime(), info.ModTime())
		},
		"gone": os.Remove,
	} {
		c := whole(t)
		dir, err := c.familyDir(family("carvel"))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "bin", "vendir")
		if err := spoil(file); err != nil {
			t.Fatal(err)
		}
		var broken *Broken
		if err := c.Verify(t.Context(), false); !errors.As(err, &broken) || broken.File != file || broken.Family.Name != "carvel" {
			t.Errorf("%s: got %v", name, err)
		}
		if err := c.dropBroken(t.Context()); err != nil {
			t.Fatal(err)
		}
		if missing, err := c.Missing(); err != nil || len(missing) != 1 || missing[0].Name != "carvel" {
			t.Errorf("%s: to be built again: %v, %v", name, missing, err)
		}
	}
}

// A file that was verified is not read again while its metadata stays the same.
func TestWholeEngineIsReadOnce(t *testing.T) {
	c := whole(t)
	b, err := os.ReadFile(filepath.Join(c.Dir, stampFile))
	if err != nil || !strings.Contains(string(b), "bin/vendir") {
		t.Fatalf("nothing is remembered: %s, %v", b, err)
	}
	if entries, err := c.List(); err != nil || len(entries) != len(families) {
		t.Errorf("listed %+v, %v", entries, err)
	}
}

func TestUnrecordedBinaryIsBroken(t *testing.T) {
	c := whole(t)
	dir, err := c.familyDir(family("flux"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, digestFile), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var broken *Broken
	if err := c.Verify(t.Context(), false); !errors.As(err, &broken) {
		t.Errorf("got %v", err)
	}
}
