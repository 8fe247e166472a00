package hostile

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/report"
)

const nobody = 65534

// made is the folder that TestMain removes.
var made string

// built returns the command in two builds: the ordinary one, and one whose protections
// can be taken out.
var built = sync.OnceValues(func() (map[string]string, error) {
	dir, err := os.MkdirTemp("", "seatrial-hostile-")
	if err != nil {
		return nil, err
	}
	made = dir
	out := map[string]string{}
	for name, tags := range map[string]string{"seatrial": "", "weakened": "weakened"} {
		out[name] = filepath.Join(dir, name)
		cmd := exec.Command("go", "build", "-tags", tags, "-o", out[name], "./cmd/seatrial")
		cmd.Dir, cmd.Stderr = "../..", os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command(out["seatrial"], "engine", "build")
	cmd.Stderr = os.Stderr
	return out, errors.Join(os.Chmod(dir, 0o755), cmd.Run())
})

// prepare skips the test on a machine on which no world can be made.
func prepare(t *testing.T) (programs map[string]string, cache string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a world that is thrown away takes root; CI has it")
	}
	programs, err := built()
	if err != nil {
		t.Fatal(err)
	}
	if cache, err = engine.CacheDir(); err != nil {
		t.Fatal(err)
	}
	return programs, cache
}

// ways are the means by which a machine may confine programs.
var ways = []struct {
	name     string
	weakened string
	prefix   []string
	uid      int
}{
	{name: "root with namespaces"},
	{name: "unprivileged", uid: nobody},
	{name: "namespaces without Landlock", weakened: "landlock"},
	{name: "Landlock alone, as in a container", prefix: []string{"setpriv", "--bounding-set=-sys_admin"}},
}

// A repo can't reach anything of the machine, by whatever means it is confined, and
// each layer that tries to fails with a finding.
func TestRepoReachesNothing(t *testing.T) {
	programs, cache := prepare(t)
	var orders []order
	for _, way := range ways {
		o := order{Seatrial: programs["seatrial"], Cache: cache, Prefix: way.prefix, UID: way.uid, Fill: "all"}
		if way.weakened != "" {
			o.Seatrial, o.Env = programs["weakened"], []string{"SEATRIAL_WITHOUT=" + way.weakened}
		}
		if way.uid != 0 {
			o.Cache = readable(t, cache)
		}
		orders = append(orders, o)
	}
	for i, got := range visitAll(t, orders) {
		t.Run(ways[i].name, func(t *testing.T) {
			t.Logf("exit %d after %.1f s\n%s", got.Code, got.Seconds, got.Stderr)
			if len(got.Reached) > 0 {
				t.Errorf("reached %v", got.Reached)
			}
			if !got.Redirected {
				t.Error("the world was not asked, so that no redirect was refused")
			}
			if len(got.Changed) > 0 {
				t.Errorf("changed %v", got.Changed)
			}
			if len(got.Leaked) > 0 {
				t.Errorf("the canary stands in %v", got.Leaked)
			}
			if got.Code != 1 {
				t.Errorf("exit %d\n%s", got.Code, got.Stdout)
			}
			for _, l := range layers() {
				j := slices.IndexFunc(got.Report.Layers, func(r report.Layer) bool { return r.Name == l.name })
				if j < 0 {
					t.Errorf("no layer %s", l.name)
					continue
				}
				failed := got.Report.Layers[j].Status == "failed"
				told := slices.ContainsFunc(got.Report.Findings, func(f finding.Finding) bool { return f.Layer == l.name && f.Severity == finding.Error })
				if !l.allowed && (!failed || !told) {
					t.Errorf("layer %s: %s, with a finding: %v", l.name, got.Report.Layers[j].Status, told)
				}
			}
		})
	}
}

// With Landlock alone, the run's ports are reachable on loopback only. Without any
// means of confinement, nothing runs. With protections taken out, the traps detect the
// repo, so they would detect a real escape.
func TestProtectionsAreNeeded(t *testing.T) {
	programs, cache := prepare(t)
	quiet := func(o outcome) bool { return len(o.Reached)+len(o.Changed)+len(o.Leaked) == 0 }
	cases := []struct {
		without, fill string
		args          []string
		want          func(outcome) bool
	}{
		{"namespaces", "egress", nil, func(o outcome) bool { return quiet(o) && o.Code == 0 }},
		{"namespaces,landlock", "few", nil, func(o outcome) bool {
			return quiet(o) && o.Code == 2 && strings.Contains(o.Stderr, "--unconfined")
		}},
		{"namespaces,landlock", "few", []string{"--unconfined"}, func(o outcome) bool {
			return len(o.Reached) > 0 && len(o.Changed) > 0 && strings.HasPrefix(o.Report.BlindSpots[0].Message, "UNCONFINED")
		}},
		{"namespaces,connects", "egress", nil, func(o outcome) bool { return slices.Contains(o.Reached, attacker) }},
		{"root,landlock", "few", nil, func(o outcome) bool { return len(o.Changed) > 0 }},
		{"network,connects,landlock", "few", nil, func(o outcome) bool { return len(o.Reached) > 0 }},
	}
	var orders []order
	for _, c := range cases {
		orders = append(orders, order{Seatrial: programs["weakened"], Cache: cache, Env: []string{"SEATRIAL_WITHOUT=" + c.without}, Args: c.args, Fill: c.fill})
	}
	for i, got := range visitAll(t, orders) {
		c := cases[i]
		t.Run(strings.Join(append([]string{c.without}, c.args...), " "), func(t *testing.T) {
			if !c.want(got) {
				t.Errorf("exit %d after %.1f s: reached %v, changed %v, leaked %v\n%s%s", got.Code, got.Seconds, got.Reached, got.Changed, got.Leaked, got.Stderr, got.Stdout)
			}
		})
	}
}

// readable returns a copy of the engine that every user may read.
func readable(t *testing.T, cache string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "seatrial-engine-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, args := range [][]string{{"cp", "-r", filepath.Join(cache, "engine"), dir}, {"chmod", "-R", "a+rX", dir}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	return dir
}
