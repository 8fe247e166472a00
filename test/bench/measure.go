package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// sample is one run: wall-clock and processor seconds of it and all its children, and the
// most memory that all of them took together, in MiB (proportional set size, so that what
// processes share counts once).
type sample struct {
	wall, cpu, peak float64
	verdict         string
}

// summary is the last line of a report.
var summary = regexp.MustCompile(`(?m)^Summary: (\w+):`)

// measure runs a command to its end.
func measure(cmd *exec.Cmd) (sample, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return sample{}, err
	}
	done, peak := make(chan struct{}), make(chan float64)
	go func() {
		most := 0.0
		for {
			select {
			case <-done:
				peak <- most
				return
			case <-time.After(500 * time.Millisecond):
				most = max(most, memory(cmd.Process.Pid))
			}
		}
	}()
	_ = cmd.Wait() // the verdict says how it ended
	s := sample{wall: time.Since(start).Seconds(), cpu: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()}
	close(done)
	s.peak = <-peak
	m := summary.FindSubmatch(stdout.Bytes())
	if m == nil {
		return s, fmt.Errorf("there was no verdict:\n%s", stderr.Bytes())
	}
	s.verdict = string(m[1])
	return s, nil
}

// memory is what a process and its descendants take now, in MiB.
func memory(pid int) float64 {
	children := map[int][]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if _, rest, ok := strings.Cut(read(child, "stat"), ") "); ok {
			if f := strings.Fields(rest); len(f) > 1 {
				parent, _ := strconv.Atoi(f[1])
				children[parent] = append(children[parent], child)
			}
		}
	}
	total := 0.0
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		queue = append(queue, children[queue[0]]...)
		for line := range strings.Lines(read(queue[0], "smaps_rollup")) {
			if kib, ok := strings.CutPrefix(line, "Pss:"); ok {
				n, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kib), "kB")), 64)
				total += n / 1024
			}
		}
	}
	return total
}

// read returns a file of /proc; nothing if the process is gone.
func read(pid int, name string) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	return string(b)
}
