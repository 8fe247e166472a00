package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What a rehearsal may take of the machine. A cgroup could enforce that, but would be
// left behind when a run is killed. So each program has limits of its own, and a watch
// adds up the memory of all.
const (
	maxProcesses = 16384   // threads of the programs' user (RLIMIT_NPROC)
	maxData      = 4 << 30 // bytes of a single process's data (RLIMIT_DATA)
	watchEvery   = 100 * time.Millisecond
)

// Limits are sizes in bytes.
type Limits struct {
	Memory int64 // of all processes together, with the state folder's files, which are in memory
	State  int64 // of the state folder's files
}

// limitsOf returns the limits for a machine with that much memory, in bytes: three
// quarters of it, but between 1.5 and 8 GiB.
func limitsOf(memory int64) Limits {
	const gib = 1 << 30
	all := min(max(memory/4*3, gib*3/2), 8*gib)
	return Limits{Memory: all, State: min(all/2, 2*gib)}
}

// machineLimits returns the limits for one of several sandboxes that share this machine.
func machineLimits(share int) Limits {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return limitsOf(0)
	}
	return limitsOf(int64(info.Totalram) * int64(info.Unit) / int64(share))
}

// limitSelf limits this process and all that it starts.
func (s *Sandbox) limitSelf() error {
	for resource, limit := range map[int]uint64{
		unix.RLIMIT_CORE: 0, unix.RLIMIT_NPROC: maxProcesses, unix.RLIMIT_DATA: maxData, unix.RLIMIT_FSIZE: uint64(s.Limits.State),
	} {
		var now unix.Rlimit
		if err := unix.Getrlimit(resource, &now); err != nil {
			return err
		}
		now.Max = min(now.Max, limit)
		now.Cur = min(now.Cur, now.Max)
		if err := unix.Setrlimit(resource, &now); err != nil {
			return fmt.Errorf("limit resource %d: %w", resource, err)
		}
	}
	debug.SetMemoryLimit(s.Limits.Memory / 4)
	// If the machine runs out of memory, the kernel should end this rehearsal first.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("900"), 0) // some machines forbid even that
	return nil
}

// usage is the memory of one process, without what it shares with files, in bytes.
type usage struct {
	pid   int
	name  string
	bytes int64
}

// LimitMemory checks the memory of all programs every 100 ms until done is closed. If they
// take more than the limit, it kills the largest program and calls broken once. pids
// returns the programs that were started, for a machine on which other processes run, too.
func (s *Sandbox) LimitMemory(done <-chan struct{}, pids func() []int, broken func(error)) {
	go func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			all := processes(os.DirFS("/proc"), s.Namespaces, pids())
			total, largest := stateBytes(s.Dir), usage{}
			for _, u := range all {
				total += u.bytes
				if u.pid != os.Getpid() && u.bytes > largest.bytes {
					largest = u
				}
			}
			if total <= s.Limits.Memory {
				continue
			}
			if largest.pid != 0 {
				_ = syscall.Kill(largest.pid, syscall.SIGKILL)
			}
			broken(fmt.Errorf("the rehearsal took more than %d MiB of memory, %d MiB of it %s: what the repo has that program do is too large", s.Limits.Memory>>20, largest.bytes>>20, largest.name))
			return
		}
	}()
}

// stateBytes returns the size of the files on the tmpfs of a folder, in bytes; 0 if it
// is not on a tmpfs.
func stateBytes(dir string) int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Type != unix.TMPFS_MAGIC {
		return 0
	}
	if filepath.Dir(dir) == sharedMemory {
		return 0 // other programs of the machine use it, too
	}
	return int64(st.Blocks-st.Bfree) * int64(st.Bsize)
}
