package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// kills is the number of runs that are started and killed.
const kills = 20

// At whatever moment the command is killed, from its start to the middle of the layers,
// it leaves nothing: no process, namespace, mount or file. Other rehearsals may run on
// the same machine, so only what belongs to this one counts.
func TestKilledRunLeavesNothing(t *testing.T) {
	layers := 0
	for i := range kills {
		// One kill in each part of the time, so that all stages are covered.
		delay := time.Duration((float64(i) + rand.Float64()) / kills * float64(14*time.Second))
		t.Run(delay.Round(100*time.Millisecond).String(), func(t *testing.T) {
			if said := killed(t, delay); strings.Contains(said, " reconciled (") {
				layers++
			}
		})
	}
	if layers == 0 {
		t.Error("no run was killed among its layers: the machine is too slow for this test, or the command is broken")
	}
}

// killed starts a rehearsal, kills it after a delay, and checks what is left. It returns the output of the run.
func killed(t *testing.T, delay time.Duration) string {
	tmp := t.TempDir()
	mounted, shared := mounts(t), places()
	var said output
	cmd := exec.Command(seatrial, "verify")
	cmd.Dir, cmd.Stderr, cmd.Env = t.TempDir(), &said, append(os.Environ(), "TMPDIR="+tmp)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err == nil { // the machine is so fast that the rehearsal was over
			return killed(t, delay/2)
		}
		t.Fatalf("it ended before it was killed: %v\n%s", err, said.String())
	case <-time.After(delay):
	}
	own := family(cmd.Process.Pid)
	if len(own.processes) == 0 {
		t.Fatalf("process %d is not there to be killed\n%s", cmd.Process.Pid, said.String())
	}
	if err := cmd.Process.Kill(); errors.Is(err, os.ErrProcessDone) {
		return killed(t, delay/2) // over just now
	} else if err != nil {
		t.Fatal(err)
	}
	<-ended
	// The kernel takes a moment to end a tree of processes.
	if left := gone(5*time.Second, own.left); len(left) > 0 {
		t.Errorf("it left processes: %v", left)
	}
	for _, dir := range []string{tmp, cmd.Dir} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("it left files in its own folders: %v, %v", left, err)
		}
	}
	// Leftovers in shared places may belong to another rehearsal, and disappear with it.
	if left := gone(2*time.Minute, func() []string {
		return append(without(places(), shared), without(mounts(t), mounted)...)
	}); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	return said.String()
}

// gone waits until a list is empty, for as long as patience, and returns the rest of it.
func gone(patience time.Duration, list func() []string) []string {
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if left := list(); len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// ownName matches what Seatrial and its programs make in the folder of temporary files,
// which belongs to all programs.
var ownName = regexp.MustCompile(`^(seatrial-[0-9]|hostpath)`)

// places returns the entries of shared folders that have names as Seatrial and its
// programs choose them.
func places() []string {
	var out []string
	for _, dir := range []string{"/tmp", "/var/tmp", "/dev/shm", "/run", "/mnt", "/srv", "/media", "/home"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // not there, or not for us
		}
		for _, e := range entries {
			if dir != "/tmp" || ownName.MatchString(e.Name()) {
				out = append(out, filepath.Join(dir, e.Name()))
			}
		}
	}
	return out
}

// mounts returns the lines of this process's mount table.
func mounts(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// without returns the entries of one list that are not in another.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

// relatives are a process, all processes that it has started, and the namespaces that
// these have made.
type relatives struct {
	processes  map[int]uint64 // start time by id, as ids are reused
	namespaces map[string]bool
	// until is a start time that no relative can have passed: the kernel gives the numbers of
	// namespaces that are gone to new ones, such as those of a rehearsal beside this one.
	until uint64
}

// moment is a tenth of a second, in the kernel's ticks.
const moment = 10

// family finds the relatives of a process: those that descend from it, and those in the
// namespaces that these have made.
func family(root int) relatives {
	r := relatives{processes: map[int]uint64{}, namespaces: map[string]bool{}}
	common := namespacesOf("self")
	all := processes()
	for _, p := range all {
		r.until = max(r.until, p.started+moment)
	}
	for grown := true; grown; {
		grown = false
		for pid, p := range all {
			if r.processes[pid] != 0 {
				continue
			}
			_, child := r.processes[p.parent]
			inside := slices.ContainsFunc(namespacesOf(fmt.Sprint(pid)), func(ns string) bool { return r.namespaces[ns] })
			if pid != root && !child && !inside {
				continue
			}
			r.processes[pid], grown = p.started, true
			for _, ns := range without(namespacesOf(fmt.Sprint(pid)), common) {
				r.namespaces[ns] = true
			}
		}
	}
	return r
}

// left returns the relatives that still live, and other processes in their namespaces.
func (r relatives) left() []string {
	var out []string
	for pid, p := range processes() {
		inside := p.started <= r.until && slices.ContainsFunc(namespacesOf(fmt.Sprint(pid)), func(ns string) bool { return r.namespaces[ns] })
		if p.state != "Z" && (inside || r.processes[pid] == p.started) {
			out = append(out, fmt.Sprintf("%d (%s)", pid, p.name))
		}
	}
	return out
}

// process is what /proc/PID/stat says of a process.
type process struct {
	name, state string
	parent      int
	started     uint64 // ticks since the machine booted
}

// processes returns all processes that this process can see.
func processes() map[int]process {
	out := map[int]process{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is valid
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
		pid, _ := strconv.Atoi(strings.TrimSpace(string(b[:open])))
		f := strings.Fields(string(b[end+1:])) // from the third field on: see proc(5)
		parent, _ := strconv.Atoi(f[1])
		started, _ := strconv.ParseUint(f[19], 10, 64)
		out[pid] = process{name: string(b[open+1 : end]), state: f[0], parent: parent, started: started}
	}
	return out
}

// namespacesOf returns the namespaces of a process.
func namespacesOf(pid string) []string {
	var out []string
	for _, kind := range []string{"net", "pid", "mnt", "ipc", "user"} {
		if ns, err := os.Readlink("/proc/" + pid + "/ns/" + kind); err == nil {
			out = append(out, ns)
		}
	}
	return out
}

// output is what a running command has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

// String is all of it.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// During a rehearsal, only those sockets listen on the host that did before: the
// rehearsal can't be reached from outside, nor from the host.
func TestNothingListensOnTheHost(t *testing.T) {
	before := listeners(t)
	var said output
	cmd := exec.Command(seatrial, "verify")
	cmd.Dir, cmd.Stderr = t.TempDir(), &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// By the time that a layer has reconciled, all servers of a rehearsal listen.
	for deadline := time.After(2 * time.Minute); !strings.Contains(said.String(), "namespaces reconciled"); time.Sleep(100 * time.Millisecond) {
		if odd := without(listeners(t), before); len(odd) > 0 {
			t.Errorf("new listeners: %v", odd)
		}
		select {
		case err := <-ended:
			t.Fatalf("it ended before a layer had reconciled: %v\n%s", err, said.String())
		case <-deadline:
			t.Fatalf("no layer has reconciled\n%s", said.String())
		default:
		}
	}
	if odd := without(listeners(t), before); len(odd) > 0 {
		t.Errorf("new listeners: %v", odd)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("an interrupted run exits 0")
	}
}
