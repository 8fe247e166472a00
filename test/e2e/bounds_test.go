package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/verdict"
)

// bombs are repos that would take a machine's memory or time, by the trick that they use.
func bombs() map[string]map[string]string {
	const object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: web}\n"
	aliases := object + "x:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 10; i++ {
		aliases += fmt.Sprintf("  a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	files := map[string]string{}
	for i := range 20_000 {
		files[fmt.Sprintf("layers/app/f%d.yaml", i)] = fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: f%d, namespace: web}\n", i)
	}
	copies := "resources: [cm.yaml]\npatches:\n- target: {kind: ConfigMap}\n  patch: |\n"
	for i := range 40 {
		copies += fmt.Sprintf("    - {op: copy, from: /x, path: /x/c%d}\n", i)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	for range 2000 {
		_, _ = z.Write(make([]byte, 1<<20)) // memory has no errors
	}
	z.Close()
	return map[string]map[string]string{
		"aliases":       {"layers/app/x.yaml": aliases},
		"depth":         {"layers/app/x.yaml": object + "x: " + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "\n"},
		"20000 files":   files,
		"50 MB":         {"layers/app/x.yaml": object + "data:\n  a: |\n" + strings.Repeat("    "+strings.Repeat("y", 95)+"\n", 500_000)},
		"copies":        {"layers/app/cm.yaml": object + "data: {}\nx: {v: yyyyyyyyyyyyyyyyyyyyyyyyy}\n", "layers/app/kustomization.yaml": copies},
		"decompression": {"layers/app/x.yaml": object, "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n", "charts/web/charts/bomb.tgz": packed.String()},
	}
}

// plant writes a repo with one layer, app, made of the given files.
func plant(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{"clusters/prod/app.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: app, namespace: flux-system}\nspec: {interval: 10m, prune: true, path: ./layers/app, sourceRef: {kind: GitRepository, name: flux-system}}\n"}
	for name, text := range files {
		all[name] = text
	}
	writeFiles(t, dir, all)
	return dir
}

// A repo that would exhaust a machine is refused within bounds of time and memory, with
// a finding that names the file; SIGTERM ends the run at once.
func TestBombsEndInTimeAndMemory(t *testing.T) {
	for name, files := range bombs() {
		dir := plant(t, files)
		for _, verb := range []string{"check", "verify"} {
			cmd := exec.Command(seatrial, verb, dir)
			var out bytes.Buffer
			cmd.Dir, cmd.Stdout, cmd.Stderr = empty, &out, &out
			start := time.Now()
			_ = cmd.Run() // its code is looked at
			took := time.Since(start)
			usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
			if code := cmd.ProcessState.ExitCode(); code != 1 || took > 10*time.Second || usage.Maxrss > 1<<20 || !strings.Contains(out.String(), string(finding.TooLarge)) {
				t.Errorf("%s %s: exit %d after %s with %d MiB\n%.2000s", verb, name, code, took, usage.Maxrss>>10, out.String())
			}
			if !strings.Contains(out.String(), "layers/app/") && !strings.Contains(out.String(), "charts/") && !strings.Contains(out.String(), "app.yaml") {
				t.Errorf("%s %s names no file:\n%s", verb, name, out.String())
			}
			interrupt(t, verb, dir, 300*time.Millisecond)
		}
	}
}

// interrupt ends a run with SIGTERM and sees it end within a second.
func interrupt(t *testing.T, verb, dir string, after time.Duration) {
	t.Helper()
	cmd := exec.Command(seatrial, verb, dir)
	cmd.Dir = empty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended: // it ended before the signal
		return
	case <-time.After(after):
	}
	start := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return // it has just ended
	}
	<-ended
	if took := time.Since(start); took > time.Second {
		t.Errorf("%s of %s ended %s after SIGTERM", verb, dir, took)
	}
}

// At any moment of a rehearsal SIGTERM ends it within a second.
func TestSIGTERMEndsWithinASecond(t *testing.T) {
	for _, after := range []time.Duration{100 * time.Millisecond, time.Second, 3 * time.Second, 6 * time.Second, 10 * time.Second} {
		interrupt(t, "verify", fixture("package-lacks-rbac"), after)
	}
}

// A changed binary is found before it is run, and built again by the command that the error names.
func TestBrokenEngineIsNamed(t *testing.T) {
	t.Parallel()
	cache := copyCache(t)
	files, err := filepath.Glob(filepath.Join(cache, "engine", "carvel-*", "bin", "ytt"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.Truncate(files[0], 1000); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "SEATRIAL_CACHE="+cache)
	r := program(t, nil, env, seatrial, "verify", fixture("bootstrapped"))
	if r.code != 2 || !strings.Contains(r.stderr, "bin/ytt") || !strings.Contains(r.stderr, "seatrial engine build") {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
	if r := program(t, nil, env, seatrial, "doctor"); r.code != 2 || !strings.Contains(r.stdout, "bin/ytt") {
		t.Errorf("doctor: exit %d\n%s", r.code, r.stdout)
	}
}

// A program that dies during a rehearsal is named, with its last output.
func TestDeadComponentIsNamed(t *testing.T) {
	var stderr bytes.Buffer
	cmd := exec.Command(seatrial, "verify", fixture("package-lacks-rbac"))
	cmd.Dir, cmd.Stderr = t.TempDir(), &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	for range 200 {
		time.Sleep(100 * time.Millisecond)
		if pid := descendant(cmd.Process.Pid, "kapp-controller --sidecarexec"); pid != 0 {
			time.Sleep(2 * time.Second)
			killed = syscall.Kill(pid, syscall.SIGKILL) == nil
			break
		}
	}
	_ = cmd.Wait() // its code is looked at
	if code := cmd.ProcessState.ExitCode(); !killed || code != 2 || !strings.Contains(stderr.String(), "sidecarexec ended: signal: killed") {
		t.Errorf("killed %v, exit %d\n%s", killed, code, stderr.String())
	}
}

// descendant returns a process below another one whose command line ends with a text; 0 if
// there is none.
func descendant(root int, commandLine string) int {
	below := []int{root}
	for len(below) > 0 {
		pid := below[0]
		below = below[1:]
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.HasSuffix(strings.TrimSpace(strings.ReplaceAll(string(b), "\x00", " ")), commandLine) {
			return pid
		}
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
		for _, task := range tasks {
			b, _ := os.ReadFile(task) // it may have ended
			for _, child := range strings.Fields(string(b)) {
				var n int
				if _, err := fmt.Sscan(child, &n); err == nil && !slices.Contains(below, n) {
					below = append(below, n)
				}
			}
		}
	}
	return 0
}

// The flag --unconfined has no effect on a machine that can confine programs.
func TestUnconfinedIsTold(t *testing.T) {
	t.Parallel()
	r := verify(t, "--unconfined", fixture("bootstrapped"))
	// This machine can confine, so the flag changes nothing.
	if r.code != 0 || slices.ContainsFunc(r.report.BlindSpots, func(s finding.BlindSpot) bool { return strings.HasPrefix(s.Message, "UNCONFINED") }) || r.report.Verdict != verdict.Pass {
		t.Errorf("exit %d, %v", r.code, r.report.BlindSpots)
	}
}

// A secret value that equals a word of the report, such as a verdict, changes neither the
// verdict nor the names of files.
func TestSecretsNamedLikeVerdicts(t *testing.T) {
	t.Parallel()
	dir := plant(t, map[string]string{
		"layers/app/secret.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: default}\nstringData: {a: inconclusive, b: reconciled, c: embedded, d: helm-controller, e: failed-login-password}\n",
		"layers/app/chart.yaml":  "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: x, namespace: default}\nspec: {interval: 1m, url: https://git.nowhere.example/x}\n---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: x, namespace: default}\nspec: {interval: 1m, chart: {spec: {chart: x, sourceRef: {kind: GitRepository, name: x}}}}\n",
	})
	logs := t.TempDir()
	r := verify(t, dir, "--logs", logs)
	if r.code != 2 || r.report.Verdict != verdict.Inconclusive || r.report.Tier != "embedded" {
		t.Errorf("exit %d, verdict %q, tier %q", r.code, r.report.Verdict, r.report.Tier)
	}
	if _, err := os.Stat(filepath.Join(logs, "helm-controller.log")); err != nil {
		t.Error(err)
	}
}

// Values and messages that are made to slow redaction down don't delay a run, and a large Secret is
// read in time.
func TestValuesTakeNoTime(t *testing.T) {
	t.Parallel()
	var many, lines strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&many, "  k%d: \"......%s%d\"\n", i, strings.Repeat("0", i%200), i)
	}
	for i := range 22_000 {
		fmt.Fprintf(&lines, "    user%d:$2y$05$%022d\n", i, i)
	}
	dir := plant(t, map[string]string{
		"layers/app/kustomization.yaml":        "resources: [many.yaml, lines.yaml, release.yaml]\n",
		"layers/app/many.yaml":                 "apiVersion: v1\nkind: Secret\nmetadata: {name: many, namespace: default}\nstringData:\n" + many.String(),
		"layers/app/lines.yaml":                "apiVersion: v1\nkind: Secret\nmetadata: {name: lines, namespace: default}\nstringData:\n  htpasswd: |\n" + lines.String(),
		"layers/app/release.yaml":              "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: x, namespace: default}\nspec: {interval: 1m, chart: {spec: {chart: ./charts/dots, sourceRef: {kind: GitRepository, name: flux-system, namespace: flux-system}}}}\n",
		"charts/dots/Chart.yaml":               "apiVersion: v2\nname: dots\nversion: 1.0.0\n",
		"charts/dots/templates/configmap.yaml": "{{ fail (repeat 20000 \".\") }}\n",
	})
	start := time.Now()
	if r := command(t, nil, "check", dir); r.code == 2 || strings.Contains(r.stdout, string(finding.TooLarge)) || time.Since(start) > 8*time.Second {
		t.Errorf("check: exit %d after %s\n%s", r.code, time.Since(start), r.stdout)
	}
	start = time.Now()
	if r := verify(t, dir, "--timeout", "30s"); r.code != 1 || time.Since(start) > 60*time.Second {
		t.Errorf("verify: exit %d after %s", r.code, time.Since(start))
	}
}

// With --keep, the cluster is ended if its report can't be written.
func TestKeepTellsWhatItCouldNotWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "report.json")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := command(t, nil, "verify", "--keep", "--report", dir, fixture("bootstrapped"))
	if r.code != 2 || !strings.Contains(r.stderr, "is a directory") {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
}
