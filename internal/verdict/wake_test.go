package verdict

import (
	"testing"
	"time"

	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/live/livetest"
)

// waits is a live layer that its controller found waiting for others.
func waits(name, dependsOn string) string {
	return ks(name, "False", dependencyNotReady, "dependency is not ready", "") + "spec: {dependsOn: [" + dependsOn + "]}\n"
}

// names are what is asked for.
func names(retries []Retry) string {
	out := ""
	for _, r := range retries {
		out += r.Name + " "
	}
	return out
}

// What waits for something that is ready is woken: at once, and again after a while, as it may
// have been looked at in a moment when that was reconciled once more. It is not at rest meanwhile,
// and a verdict that calls it blocked would be false.
func TestWhatWaitsInVainIsWokenAndWaitedFor(t *testing.T) {
	r := repo(t, "a", "b<a", "c<b")
	a := ks("a", "True", "ReconciliationSucceeded", "", "")
	c := livetest.Cluster(t, root, a, waits("b", "{name: a}"), waits("c", "{name: b}"))
	j := NewJudge(r, commit, DefaultPatience, time.Unix(1000, 0))
	for _, step := range []struct {
		at   int64
		want string
	}{{1000, "b "}, {1001, ""}, {1002, "b "}, {1010, "b "}} {
		got := j.Assess(c, time.Unix(step.at, 0))
		if names(got.Wakes) != step.want || got.Final || len(got.Retries) > 0 {
			t.Fatalf("at %d: wakes %q, retries %q, final %v", step.at, names(got.Wakes), names(got.Retries), got.Final)
		}
	}
	// One that is never taken up, as with a readyExpr that no state fulfils, is given up in the end.
	if got := j.Assess(c, time.Unix(1000, 0).Add(DefaultPatience.Stall)); !got.Final || statuses(got) != "flux-system=reconciled a=reconciled b=failed c=blocked" {
		t.Fatalf("after the stall: final %v, %s", got.Final, statuses(got))
	}
}

// Nothing is woken for a dependency that is not ready, is not there, or is of another namespace.
func TestOnlyWhatIsReadyWakes(t *testing.T) {
	r := repo(t, "a", "b<a")
	for name, dependsOn := range map[string]string{"not ready": "{name: a}", "missing": "{name: x}", "elsewhere": "{name: flux-system, namespace: other}"} {
		c := livetest.Cluster(t, root, ks("a", "False", "BuildFailed", "no", ""), waits("b", dependsOn))
		j := NewJudge(r, commit, DefaultPatience, time.Unix(1000, 0))
		if got := j.Assess(c, time.Unix(1001, 0)); len(got.Wakes) > 0 {
			t.Errorf("%s: woken %q", name, names(got.Wakes))
		}
	}
}

// An object that was asked to try again, and then woken, is not waited for until it
// handles the older request: only its last request is ever answered.
func TestAWokenObjectOwesNoAnswer(t *testing.T) {
	r := repo(t, "a", "b<a")
	c := livetest.Cluster(t, root, ks("a", "True", "ReconciliationSucceeded", "", ""), ks("b", "False", "BuildFailed", "no", ""))
	j := NewJudge(r, commit, DefaultPatience, time.Unix(1000, 0))
	j.Assess(c, time.Unix(1000, 0))
	if got := j.Assess(c, time.Unix(1003, 0)); names(got.Retries) != "b " {
		t.Fatalf("retries %q", names(got.Retries))
	}
	b := livetest.Object(t, waits("b", "{name: a}"))
	c[live.RefOf(b)] = b
	if got := j.Assess(c, time.Unix(1004, 0)); names(got.Wakes) != "b " || len(j.asked) > 0 {
		t.Fatalf("wakes %q, asked %v", names(got.Wakes), j.asked)
	}
}

// A suspended object is neither woken nor waited for: nothing looks at it.
func TestWhatIsSuspendedIsNotWoken(t *testing.T) {
	r := repo(t, "a", "b!<a")
	suspended := ks("b", "False", dependencyNotReady, "dependency is not ready", "") + "spec: {suspend: true, dependsOn: [{name: a}]}\n"
	c := livetest.Cluster(t, root, ks("a", "True", "ReconciliationSucceeded", "", ""), suspended)
	j := NewJudge(r, commit, DefaultPatience, time.Unix(1000, 0))
	if got := j.Assess(c, time.Unix(1001, 0)); len(got.Wakes) > 0 || !got.Final {
		t.Errorf("woken %q, final %v", names(got.Wakes), got.Final)
	}
}
