package hostile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/sandbox"
	"seatrial.dev/seatrial/test/turn"
)

// canary is a text in every file that a repo must not be able to read.
const canary = "CANARY-3f9a1c77-of-the-machine"

// order says what a world is made for.
type order struct {
	Seatrial, Cache string
	Env             []string // of the command, in addition to the usual variables
	Prefix          []string // a program that drops rights and then runs the command
	Args            []string // of verify
	UID             int
	Fill            string // key of repos
}

// outcome is what became of a run in a world.
type outcome struct {
	Code           int
	Report         report.Report
	Stdout, Stderr string
	Seconds        float64
	// Reached are services that were connected to.
	Reached []string
	// Redirected says that a server of the world was asked, which sends on to where nothing may be reached.
	Redirected bool
	// Changed are files of the machine that were written or deleted.
	Changed []string
	// Leaked are the outputs that contain the canary.
	Leaked []string
}

const worldEnv = "SEATRIAL_HOSTILE_WORLD"

func TestMain(m *testing.M) {
	sandbox.Shim()
	if part := closedPart(); part != nil {
		if err := part(); err != nil {
			fmt.Fprintln(os.Stderr, "closed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if text, ok := os.LookupEnv(worldEnv); ok {
		if err := live(text); err != nil {
			fmt.Fprintln(os.Stderr, "world:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if err := turn.Wait(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if made != "" {
		if err := os.RemoveAll(made); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// visitAll runs each order in a world of its own, all at once, as they mostly wait. It
// returns their outcomes.
func visitAll(t *testing.T, orders []order) []outcome {
	t.Helper()
	out, errs := make([]outcome, len(orders)), make([]error, len(orders))
	var wg sync.WaitGroup
	for i, o := range orders {
		wg.Go(func() { out[i], errs[i] = visit(o) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return out
}

// visit makes a world, runs the command in it, and returns the outcome.
func visit(o order) (outcome, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return outcome{}, err
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), worldEnv+"="+string(text))
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	// The kernel ends a child with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		return outcome{}, fmt.Errorf("the world ended: %w\n%s", err, stderr.String())
	}
	var out outcome
	if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
		return outcome{}, fmt.Errorf("%w in %q\n%s", err, stdout.String(), stderr.String())
	}
	return out, nil
}

// live is the world's first process.
func live(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	upper, err := newMachine()
	if err != nil {
		return fmt.Errorf("make a machine: %w", err)
	}
	if err := plantCanaries(); err != nil {
		return fmt.Errorf("plant canaries: %w", err)
	}
	traps, err := setTraps()
	if err != nil {
		return fmt.Errorf("set traps: %w", err)
	}
	const repo, out = "/srv/repo", "/srv/out"
	if o.Fill == "closed" {
		got, err := probing(o)
		if err != nil {
			return err
		}
		got.Reached, got.Redirected = traps.all(), traps.asked
		return json.NewEncoder(os.Stdout).Encode(got)
	}
	if err := repos[o.Fill](repo); err != nil {
		return fmt.Errorf("write the repo: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(out, "logs"), 0o777); err != nil {
		return err
	}
	for _, dir := range []string{repo, out} {
		if err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(p, o.UID, o.UID)
		}); err != nil {
			return err
		}
	}
	before, err := listing(upper)
	if err != nil {
		return err
	}
	got, err := rehearse(o, repo, out)
	if err != nil {
		return err
	}
	if got.Leaked, err = leaks(got, out); err != nil {
		return err
	}
	after, err := listing(upper)
	if err != nil {
		return err
	}
	for name, what := range after {
		if before[name] != what && !strings.HasPrefix(name, "srv/out/") && !ownCache(o, name) && name != "etc/hosts" {
			got.Changed = append(got.Changed, name)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			got.Changed = append(got.Changed, name+" (gone)")
		}
	}
	slices.Sort(got.Changed)
	got.Reached, got.Redirected = traps.all(), traps.asked
	return json.NewEncoder(os.Stdout).Encode(got)
}

// ownCache says whether a file is where the command keeps what it has fetched.
func ownCache(o order, name string) bool {
	return strings.HasPrefix("/"+name, o.Cache+"/sources") || "/"+name == o.Cache
}

// rehearse runs the command on the repo, and gives it a folder to write to.
func rehearse(o order, repo, out string) (*outcome, error) {
	got := &outcome{}
	args := append(slices.Clone(o.Prefix), o.Seatrial, "verify", repo, "--report", out+"/report.json", "--report", out+"/junit.xml", "--report", out+"/report.md", "--logs", out+"/logs", "--timeout", "3m")
	args = append(args, o.Args...)
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = out, &stdout, &stderr
	cmd.Env = append([]string{
		"HOME=/srv/out", "PATH=" + os.Getenv("PATH"), "SEATRIAL_CACHE=" + o.Cache, "AWS_SECRET_ACCESS_KEY=" + canary,
		"SSH_AUTH_SOCK=/run/agent.sock", "DOCKER_HOST=unix:///run/docker.sock",
	}, o.Env...)
	if o.UID != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(o.UID), Gid: uint32(o.UID)}}
	}
	start := time.Now()
	err := cmd.Run()
	got.Seconds = time.Since(start).Seconds()
	if cmd.ProcessState == nil {
		return nil, err
	}
	got.Code, got.Stdout, got.Stderr = cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
	if b, err := os.ReadFile(out + "/report.json"); err == nil {
		if err := json.Unmarshal(b, &got.Report); err != nil {
			return nil, err
		}
	}
	return got, nil
}

// leaks are the outputs that show a canary.
func leaks(got *outcome, out string) (leaked []string, err error) {
	if err := filepath.WalkDir(out, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if err == nil && strings.Contains(string(b), canary) {
			leaked = append(leaked, p)
		}
		return err
	}); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"stdout": got.Stdout, "stderr": got.Stderr} {
		if strings.Contains(text, canary) {
			leaked = append(leaked, name)
		}
	}
	return leaked, nil
}

// newMachine changes to a root that is an overlay of the real one, and returns
// the folder that all changes go to.
func newMachine() (*os.Root, error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, err
	}
	const mnt = "/mnt"
	if err := unix.Mount("world", mnt, "tmpfs", 0, "mode=0755"); err != nil {
		return nil, err
	}
	for _, dir := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(mnt, dir), 0o755); err != nil {
			return nil, err
		}
	}
	root := filepath.Join(mnt, "root")
	if err := unix.Mount("overlay", root, "overlay", 0, "lowerdir=/,upperdir="+mnt+"/upper,workdir="+mnt+"/work"); err != nil {
		return nil, fmt.Errorf("overlay: %w", err)
	}
	upper, err := os.OpenRoot(filepath.Join(mnt, "upper"))
	if err != nil {
		return nil, err
	}
	for _, m := range []struct{ source, at, kind, data string }{
		{"proc", "proc", "proc", ""}, {"run", "run", "tmpfs", "mode=0755"}, {"shm", "", "", ""},
	} {
		if m.at == "" {
			continue
		}
		if err := unix.Mount(m.source, filepath.Join(root, m.at), m.kind, 0, m.data); err != nil {
			return nil, fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	if err := unix.Mount("/dev", filepath.Join(root, "dev"), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return nil, err
	}
	if err := unix.Mount("shm", filepath.Join(root, "dev/shm"), "tmpfs", 0, "mode=1777"); err != nil {
		return nil, err
	}
	if err := os.Chdir(root); err != nil {
		return nil, err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return nil, err
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return nil, err
	}
	return upper, os.Chdir("/")
}

// listing returns all files below a folder, each with metadata that tells whether it
// was changed.
func listing(dir *os.Root) (map[string]string, error) {
	out := map[string]string{}
	err := fs.WalkDir(dir.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		out[name] = info.Mode().String()
		if !d.IsDir() {
			out[name] += fmt.Sprint(info.Size(), info.ModTime().UnixNano())
		}
		return nil
	})
	return out, err
}

// targets are folders that a repo may try to delete.
var targets = []string{"/etc/canary", "/srv/canary", "/opt/canary", "/home/user", "/root/canary", "/var/lib/canary", "/tmp/canary"}

func plantCanaries() error {
	files := map[string]string{
		"/home/user/.ssh/id_ed25519": canary, "/home/user/.aws/credentials": canary, "/home/user/.docker/config.json": canary,
		"/home/user/.config/sops/age/keys.txt": "AGE-SECRET-KEY-" + canary, "/etc/canary/shadow": canary, "/etc/kubernetes/admin.conf": canary,
		"/usr/share/canary-is-no-secret": "public",
	}
	for _, dir := range targets {
		files[dir+"/secret.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: stolen, namespace: hostile}\ndata: {stolen: " + canary + "}\n"
		files[dir+"/secret.txt"] = canary
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	private := "/home/user/private.git"
	for _, args := range [][]string{
		{"init", "-q", "-b", "main", "/tmp/private"}, {"-C", "/tmp/private", "add", "-A"},
		{"-C", "/tmp/private", "-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x"}, {"clone", "-q", "--bare", "/tmp/private", private},
	} {
		if args[0] == "-C" && args[2] == "add" {
			if err := os.WriteFile("/tmp/private/secret.yaml", []byte(files["/srv/canary/secret.yaml"]), 0o644); err != nil {
				return err
			}
		}
		cmd := exec.Command("git", args...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %v: %w\n%s", args, err, out)
		}
	}
	return nil
}
