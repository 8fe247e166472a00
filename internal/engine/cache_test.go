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
	c, err := OpenCache(context.Background())
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
	args, err := families[0].buildArgs()
	if err != nil || !slices.ContainsFunc(args, func(s string) bool { return strings.Contains(s, "gitVersion="+v["kubernetes"]) }) {
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
