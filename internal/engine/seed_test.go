package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/hint"
)

// A seed is kept once for each recipe, appears when it is complete, and is verified as a
// family is: a changed one is not used, but dropped and made again.
func TestSeedIsKeptByRecipeAndVerified(t *testing.T) {
	t.Setenv(CacheEnv, t.TempDir())
	open := func(recipe string) *Cache {
		c, err := OpenCache(context.Background(), []byte(recipe))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := open("a")
	seeded := func(c *Cache) bool {
		yes, err := c.Seeded()
		if err != nil {
			t.Fatal(err)
		}
		return yes
	}
	if seeded(c) {
		t.Fatal("an empty cache has a seed")
	}
	// A process that was killed while it wrote a seed has left this.
	dir, err := c.familyDir(seed)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{seedFile, digestFile, "other"} {
		if err := errors.Join(os.MkdirAll(dir+partial, 0o755), os.WriteFile(filepath.Join(dir+partial, name), []byte("half"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, state := range []string{"first", "second"} { // the second process finds the first one's
		if err := c.KeepSeed(t.Context(), []byte(state), nil); err != nil {
			t.Fatal(err)
		}
	}
	if !seeded(c) || seeded(open("b")) {
		t.Fatal("a seed must serve its own recipe, and no other")
	}
	file := filepath.Join(dir, seedFile)
	if b, err := os.ReadFile(file); err != nil || string(b) != "first" {
		t.Fatalf("the seed is %q, %v", b, err)
	}
	if list, err := c.List(); err != nil || len(list) != 1 || !list[0].Current {
		t.Fatalf("list %+v, %v", list, err)
	}
	if _, err := c.verify(t.Context(), seed, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("forged"), 0o644); err != nil {
		t.Fatal(err)
	}
	var broken *Broken
	if _, err := c.verify(t.Context(), seed, nil); !errors.As(err, &broken) || !strings.Contains(hint.Of(err), "engine build") {
		t.Fatalf("a forged seed: %v", err)
	}
	if err := c.DropBroken(t.Context(), nil); err != nil || seeded(c) {
		t.Fatalf("after it was dropped: %v, seeded %v", err, seeded(c))
	}
	if left, err := filepath.Glob(filepath.Join(c.Dir, "*"+partial)); err != nil || len(left) > 0 {
		t.Fatalf("left %v, %v", left, err)
	}
}

// What decides a seed are its families too: another key of any of them is another seed.
func TestSeedsKeyDependsOnFamilies(t *testing.T) {
	key := func() string {
		k, err := seed.Key("go1")
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	before := key()
	for _, name := range seed.of {
		i := slices.IndexFunc(families, func(f Family) bool { return f.Name == name })
		kept := families[i]
		families[i].Binaries = map[string]string{"another": "example.com/another"}
		if key() == before {
			t.Errorf("another %s makes no other seed", name)
		}
		families[i] = kept
	}
}
