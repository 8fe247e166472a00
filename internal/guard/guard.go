// Package guard limits the memory and processor time that reading a repo takes.
// Kustomize and the YAML libraries can't be interrupted, so the guard reports what was
// being read, and the process ends.
package guard

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of reading a repo.
const (
	// Memory is what this process may take, in bytes.
	Memory = 800 << 20
	// Step is the processor time for one file or the build of one layer, and All the one
	// for everything.
	Step = 8 * time.Second
	All  = 2 * time.Minute

	every = 20 * time.Millisecond
)

// Guard watches this process while it reads.
type Guard struct {
	done chan struct{}

	mu          sync.Mutex
	layer, file string
	began       time.Duration // processor time when the present step began
	start       time.Duration
}

// Start starts a watch, which Stop ends. exceeded is called once, if a limit is
// exceeded, with what was being read (layer is empty while files are read) and the
// limit. It should end the process.
func Start(exceeded func(layer, file, why string)) *Guard {
	before := debug.SetMemoryLimit(Memory * 2 / 3) // resident memory includes garbage, so collect it early
	g := &Guard{done: make(chan struct{}), start: processorTime()}
	g.began = g.start
	go func() {
		defer debug.SetMemoryLimit(before)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-g.done:
				return
			case <-tick.C:
			}
			if layer, file, why := g.look(); why != "" {
				exceeded(layer, file, why)
				return
			}
		}
	}()
	return g
}

// Stop ends the watch. It must be called once only.
func (g *Guard) Stop() { close(g.done) }

// Working says that a file or layer is read from now on: a new step begins.
func (g *Guard) Working(layer, file string) {
	now := processorTime()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.layer, g.file, g.began = layer, file, now
}

func (g *Guard) look() (layer, file, why string) {
	now := processorTime()
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case resident() > Memory:
		why = fmt.Sprintf("takes more than %d MiB of memory", Memory>>20)
	case now-g.began > Step:
		why = fmt.Sprintf("takes more than %s of processor time", Step)
	case now-g.start > All:
		why = fmt.Sprintf("is the last that was tried: all files and layers together take more than %s of processor time", All)
	}
	return g.layer, g.file, why
}

// processorTime is the processor time that this process has used.
func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is the memory of this process, without what it shares with files, in bytes.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(bytes.TrimSpace(b)))
	if len(f) < 3 {
		return 0
	}
	all, _ := strconv.ParseInt(f[1], 10, 64)
	shared, _ := strconv.ParseInt(f[2], 10, 64)
	return (all - shared) * int64(os.Getpagesize())
}
