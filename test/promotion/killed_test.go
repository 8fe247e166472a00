package promotion

import (
	"bufio"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"seatrial.dev/seatrial/internal/promote"
)

// kill runs a promotion and kills it, after it has said something for the nth time and a while more. It
// says what was said last; "" if the promotion ended before.
func (w *world) kill(lines int, after time.Duration, flags ...string) string {
	w.t.Helper()
	cmd := w.command(w.args(append(flags, "--record", filepath.Join(w.dir, "record.json"))...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd.Stdout = w.said
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	last, seen := "", 0
	said := bufio.NewScanner(stderr)
	for seen < lines && said.Scan() {
		seen++
		last = said.Text()
		fmt.Fprintln(w.said, last)
	}
	if seen == lines {
		time.Sleep(after)
	}
	killed := cmd.Process.Signal(syscall.SIGKILL) == nil
	_ = cmd.Wait()
	if !killed || seen < lines || cmd.ProcessState.Exited() {
		return ""
	}
	return strings.TrimSpace(last)
}

// quiet fails if a process of a killed promotion lives on.
func (w *world) quiet() {
	w.t.Helper()
	time.Sleep(200 * time.Millisecond)
	for _, pattern := range []string{"^" + seatrial + " promote.*" + w.dir, "flux bootstrap git --url=" + w.up.Git} {
		if out, err := exec.Command("pgrep", "-f", "-a", pattern).CombinedOutput(); err == nil {
			w.t.Errorf("lives on: %s", out)
		}
	}
}

// Killed at each of its points, a promotion that is run again ends consistent: no step twice, nothing
// half-written.
func TestKilledPromotionGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false, "type: branch", accepted)
	w.verify()
	points := 0
	check := func(where string) {
		t.Helper()
		if where == "" {
			return
		}
		points++
		t.Logf("killed after %q", where)
		w.quiet()
		head := w.git("rev-parse", "HEAD")
		if branch := w.git("ls-remote", "origin", "refs/heads/main"); branch != "" {
			w.git("fetch", "-q", "origin", "main")
			if w.git("merge-base", head, "FETCH_HEAD") != head && w.git("merge-base", head, "FETCH_HEAD") != w.git("rev-parse", "FETCH_HEAD") {
				t.Errorf("the branch is at neither the old nor the new commit: %s", branch)
			}
		}
		if dirty := w.git("status", "--porcelain"); dirty != "" {
			t.Errorf("the clone was changed: %s", dirty)
		}
	}
	for n := 1; n <= 6; n++ { // the steps before the delivery
		check(w.kill(n, 0))
	}
	for _, after := range []time.Duration{300 * time.Millisecond, time.Second, 1700 * time.Millisecond} {
		check(w.kill(7, after)) // while flux bootstrap is under way
	}
	check(w.kill(9, 100*time.Millisecond))
	w.expect(promote.Promoted)
	w.git("pull", "-q", "--ff-only", "origin", "main")
	commits := w.git("log", "--format=%s")
	for _, subject := range []string{"Flux sync manifests", "component manifests"} {
		if n := strings.Count(commits, subject); n != 1 {
			t.Errorf("%d commits of %q:\n%s", n, subject, commits)
		}
	}
	// A change, killed when it is delivered and while it is watched.
	w.edit("two/config.yaml", `"1"`, `"2"`)
	w.commit("two")
	w.verify()
	for n := 4; n <= 7; n++ {
		check(w.kill(n, 0))
	}
	w.expect(promote.Promoted)
	if got := w.setting("web", "settings", "a"); got != "2" {
		t.Errorf("the cluster has %q", got)
	}
	// The way back, killed before, at and after the revert.
	w.apply(denies)
	w.edit("two/config.yaml", `"2"`, `"3"`)
	w.commit("three")
	w.verify()
	before := w.git("rev-parse", "HEAD")
	for _, n := range []int{7, 8, 9} {
		check(w.kill(n, 0, "--on-failure", "rollback"))
	}
	check(w.kill(9, 1500*time.Millisecond, "--on-failure", "rollback")) // while the way back is watched
	p := w.promote("--resume", "--on-failure", "rollback")
	if p.result.Outcome != promote.RolledBack {
		t.Errorf("outcome %s\n%s", p.result.Outcome, p.stderr)
	}
	w.git("pull", "-q", "--ff-only", "origin", "main")
	if n := len(strings.Fields(w.git("rev-list", before+"..HEAD"))); n != 1 {
		t.Errorf("%d commits after the one that failed, not one revert", n)
	}
	if got := w.setting("web", "settings", "a"); got != "2" {
		t.Errorf("the cluster has %q", got)
	}
	if points < 10 {
		t.Errorf("killed at %d points only", points)
	}
	secrets, err := w.client().Typed.CoreV1().Secrets("flux-system").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets.Items {
		for key, value := range s.Data {
			if len(value) == 0 {
				t.Errorf("Secret %s has an empty %s", s.Name, key)
			}
		}
	}
	w.clean(w.up.Token, w.key("sign.key"))
}
