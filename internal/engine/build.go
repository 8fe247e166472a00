package engine

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	source "seatrial.dev/seatrial/engine"
	"seatrial.dev/seatrial/internal/sandbox"
)

// Progress is told how a build goes. Its methods may be called at the same time.
type Progress interface {
	// Waiting says that another process is building.
	Waiting()
	// Started says that a family's build began.
	Started(title string)
	// Compiled says how many of about total packages are compiled.
	Compiled(title string, done, total int)
	// Finished says that a family is built, and how many are left.
	Finished(title string, took time.Duration, left int)
}

// Build builds the families that are missing or broken, and more that are asked for. It waits for
// another process that builds. An interrupted build continues where it stopped, as the build cache
// keeps what was compiled.
func (c *Cache) Build(ctx context.Context, p Progress, more ...Family) error {
	unlock, err := c.lock(ctx, p.Waiting)
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.sweep(); err != nil {
		return err
	}
	if err := c.dropBroken(ctx); err != nil {
		return err
	}
	missing, err := c.Missing()
	if err != nil {
		return err
	}
	missing = append(missing, more...)
	// Families are built one after the other, as they share packages: what one has
	// compiled, the next one finds in the build cache. Only downloads run ahead.
	fetching, stop := context.WithCancel(ctx)
	fetched := make(chan struct{})
	defer func() { stop(); <-fetched }()
	go func() {
		defer close(fetched)
		c.fetch(fetching, missing)
	}()
	for i, f := range missing {
		p.Started(f.Title)
		start := time.Now()
		if err := c.build(ctx, f, p); err != nil {
			return fmt.Errorf("build %s: %w", f.Title, err)
		}
		p.Finished(f.Title, time.Since(start), len(missing)-i-1)
	}
	stop()
	<-fetched // it uses the build cache, too
	return os.RemoveAll(c.compiled())
}

// compiled is the build cache for an engine that is not complete yet. It takes
// gigabytes that no other program has a use for, so it is removed when the engine is
// complete. If the build is killed, the next one goes on with it.
func (c *Cache) compiled() string { return filepath.Join(c.Dir, "compiled") }

// fetch downloads the modules of all families but the first, which is built meanwhile,
// into Go's module cache. It ignores errors: the build asks for the same modules again,
// and reports them.
func (c *Cache) fetch(ctx context.Context, all []Family) {
	for _, f := range all[min(1, len(all)):] {
		src, err := os.MkdirTemp(c.Dir, f.Name+"-*"+partial)
		if err != nil {
			return
		}
		if err := writeSource(f, src); err == nil {
			_ = c.goCommand(ctx, src, src, append([]string{"list", "-mod=readonly", "-deps", "-f", "{{.Name}}"}, slices.Sorted(maps.Values(f.Binaries))...)...).Run()
		}
		_ = os.RemoveAll(src)
	}
}

const partial = ".partial"

// sweep removes what an interrupted build left.
func (c *Cache) sweep() error {
	leftovers, err := filepath.Glob(filepath.Join(c.Dir, "*"+partial))
	if err != nil {
		return err
	}
	for _, dir := range leftovers {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cache) build(ctx context.Context, f Family, p Progress) error {
	final, err := c.familyDir(f)
	if err != nil {
		return err
	}
	work := final + partial
	defer os.RemoveAll(work) // after a failure; if this process is killed, the next build's sweep removes it
	src := filepath.Join(work, "src")
	if err := writeSource(f, src); err != nil {
		return err
	}
	for _, dir := range []string{"bin", "tmp"} {
		if err := os.MkdirAll(filepath.Join(work, dir), 0o755); err != nil {
			return err
		}
	}
	if err := c.substitute(ctx, f, src, filepath.Join(work, "tmp")); err != nil {
		return err
	}
	if f.prepare != nil {
		if err := f.prepare(c, ctx, src, filepath.Join(work, "tmp")); err != nil {
			return err
		}
	}
	if err := c.goBuild(ctx, f, work, src, p); err != nil {
		return err
	}
	if render, ok := manifests[f.Name]; ok {
		out, err := render(ctx, c, src)
		if err != nil {
			return fmt.Errorf("render its install manifest: %w", err)
		}
		for file, text := range out {
			if err := os.WriteFile(filepath.Join(work, file), text, 0o644); err != nil {
				return err
			}
		}
	}
	for _, dir := range []string{"src", "tmp"} {
		if err := os.RemoveAll(filepath.Join(work, dir)); err != nil {
			return err
		}
	}
	if err := writeDigests(work); err != nil {
		return fmt.Errorf("record its digests: %w", err)
	}
	return os.Rename(work, final)
}

func writeSource(f Family, dir string) error {
	for name, data := range source.Source(f.Name) {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cache) goBuild(ctx context.Context, f Family, work, src string, p Progress) error {
	flags, err := f.buildArgs()
	if err != nil {
		return err
	}
	args := append(append([]string{"build", "-v", "-o", filepath.Join(work, "bin") + "/"}, flags...),
		slices.Sorted(maps.Values(f.Binaries))...)
	cmd := c.goCommand(ctx, src, filepath.Join(work, "tmp"), args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	tail := follow(stderr, func(done int) { p.Compiled(f.Title, done, f.packages) })
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args[:2], " "), err, tail)
	}
	for binary, pkg := range f.Binaries {
		// go build names a binary after the last element of its package's path.
		built := filepath.Base(pkg)
		if pkg == "." {
			built = f.Name
		}
		if built != binary {
			if err := os.Rename(filepath.Join(work, "bin", built), filepath.Join(work, "bin", binary)); err != nil {
				return err
			}
		}
	}
	return nil
}

// follow counts the packages that go build -v names, and returns the last 30 of the
// other lines.
func follow(r io.Reader, compiled func(done int)) string {
	var tail []string
	done := 0
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 4<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "go: downloading"):
		case !strings.ContainsAny(line, " :\t"):
			done++
			compiled(done)
		default:
			tail = append(tail, line)
		}
	}
	if len(tail) > 30 {
		tail = tail[len(tail)-30:]
	}
	return strings.Join(tail, "\n")
}

// goCommand prepares a go command that does not depend on the caller's settings.
func (c *Cache) goCommand(ctx context.Context, dir, tmp string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, Go.Name, args...)
	cmd.Dir = dir
	cmd.Env = append(withoutSettings(os.Environ()),
		"CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=", "GOTMPDIR="+tmp, "GOCACHE="+c.compiled(),
		"GOGC=400") // each compiler runs for a second, so collecting garbage is a waste
	cmd.SysProcAttr = sandbox.Own()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// withoutSettings removes the variables that would change a build, and secrets that a
// build does not need.
func withoutSettings(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return strings.HasPrefix(name, "SOPS_AGE_") || slices.Contains([]string{"GOFLAGS", "GOWORK", "GOOS", "GOARCH", "GOEXPERIMENT", "CGO_ENABLED", "GOTMPDIR", "GOCACHE", "GOGC", "KUBECONFIG"}, name)
	})
}
