package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"seatrial.dev/seatrial/internal/cluster/kind"
	"seatrial.dev/seatrial/internal/docker"
	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/sandbox"
	"seatrial.dev/seatrial/internal/tool"
)

// The least memory of a rehearsal, and the least free disk space of the cache, in MiB:
// diskMiB if the engine has to be built, runDiskMiB if it is there.
const (
	memoryMiB  = 2 << 10
	diskMiB    = 10 << 10
	runDiskMiB = 200
)

func newDoctor(s Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine can do, and what is missing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fit := true
			for _, f := range examine(cmd.Context()) {
				mark := map[grade]string{good: "✓", fair: "!", poor: "✗"}[f.grade]
				fmt.Fprintf(s.Out, " %s %-10s %s\n", mark, f.name, f.text)
				fit = fit && f.grade != poor
			}
			if !fit {
				return exit(exitUsage)
			}
			return nil
		},
	}
}

type grade int

const (
	good grade = iota
	fair
	poor
)

// fact is one thing about the machine.
type fact struct {
	name  string
	grade grade
	text  string
}

func examine(ctx context.Context) []fact {
	var out []fact
	add := func(name string, g grade, format string, args ...any) {
		out = append(out, fact{name, g, fmt.Sprintf(format, args...)})
	}
	for _, t := range []tool.Tool{gitrepo.Git, engine.Go} {
		if version, err := t.Ask(ctx); err != nil {
			add(t.Name, poor, "%s", explained(err))
		} else {
			add(t.Name, good, "%s", version)
		}
	}
	switch able := sandbox.Examine(); {
	case able.Confines() != nil:
		add("sandbox", poor, "%v: user namespaces, or Linux 6.7, would help", able.Confines())
	case able.Namespaces != nil:
		add("sandbox", fair, "no private namespaces (%v): rehearsals share this machine's loopback, and Landlock (version %d) confines them", able.Namespaces, able.Landlock)
	case able.Landlock == 0:
		add("sandbox", good, "private namespaces; no Landlock beneath them")
	default:
		add("sandbox", good, "private namespaces, with Landlock (version %d) beneath", able.Landlock)
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err == nil {
		total := uint64(info.Totalram) * uint64(info.Unit) >> 20
		g := good
		if total < memoryMiB {
			g = poor
		}
		add("memory", g, "%d MiB (a rehearsal takes up to 1.5 GiB)", total)
	}
	cache, err := openCache(ctx)
	if err != nil {
		add("cache", poor, "%v", err)
		return out
	}
	missing, err := cache.Missing()
	if err != nil {
		add("engine", poor, "%v", err)
		return out
	}
	need := runDiskMiB
	if len(missing) == 0 {
		if err := cache.Verify(ctx, true); err != nil {
			add("engine", poor, "%s", explained(err))
		} else {
			add("engine", good, "complete in %s", cache.Dir)
		}
	} else {
		need = diskMiB
		add("engine", fair, "%d of its parts will be built on first use (10 to 15 minutes on two cores)", len(missing))
	}
	if free, ok := freeMiB(cache.Dir); ok {
		g := good
		if free < uint64(need) {
			g = poor
		}
		add("disk", g, "%d MiB free for %s (needs %d)", free, cache.Dir, need)
	}
	add("embedded", good, "verify --cluster embedded")
	for _, f := range out {
		if f.grade == poor {
			out[len(out)-1] = fact{"embedded", poor, "verify --cluster embedded can't run: see above"}
		}
	}
	return append(out, kindFact(ctx))
}

// kindFact reports on the Docker engine that the environment names. A machine without
// one still passes, as only the kind tier needs Docker.
func kindFact(ctx context.Context) fact {
	info, err := kind.Preflight(ctx, docker.Client{})
	if err != nil {
		return fact{"kind", fair, "verify --cluster kind can't run: " + explained(err)}
	}
	text := fmt.Sprintf("verify --cluster kind: Docker %s, %d CPUs, %d MiB of memory", info.ServerVersion, info.CPUs, info.MemTotal>>20)
	if info.CgroupVersion == "1" {
		return fact{"kind", fair, text + "; cgroup v1, which kubelets are about to drop: nodes are told to start with it"}
	}
	return fact{"kind", good, text}
}

// freeMiB returns the free space, in MiB, on the file system of a folder or, if the
// folder does not exist yet, of its nearest existing parent.
func freeMiB(dir string) (uint64, bool) {
	for {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil {
			return st.Bavail * uint64(st.Bsize) >> 20, true
		}
		i := strings.LastIndexByte(dir, '/')
		if i <= 0 {
			return 0, false
		}
		dir = dir[:i]
	}
}

// explained is an error with its hint, on one line.
func explained(err error) string {
	if next := hint.Of(err); next != "" {
		return err.Error() + ": " + next
	}
	return err.Error()
}
