package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// The critical path tells where a run's time went: all of it but what the outer process takes to
// end, without gaps or overlaps.
func TestTimingsAccountForTheRun(t *testing.T) {
	start := time.Now()
	r := verify(t, "--timings")
	wall := time.Since(start).Seconds()
	passes(t, r)
	told := 0.0
	for _, s := range r.report.CriticalPath {
		if s.Seconds <= 0 || s.What == "" || s.Of == "" {
			t.Errorf("not a span: %+v", s)
		}
		told += s.Seconds
	}
	if told < 0.95*wall || told > wall {
		t.Errorf("it tells of %.2f s of %.2f s", told, wall)
	}
	for _, want := range []string{"\nCritical path (", "the control plane boots", "layer flux-system is built and applied", " is installed\n", "whose time: "} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("stdout lacks %q", want)
		}
	}
	if lines := strings.Split(strings.TrimSpace(r.stdout), "\n"); !strings.HasPrefix(lines[len(lines)-1], "Summary: ") {
		t.Errorf("the last line is %q", lines[len(lines)-1])
	}
}

// A build that sleeps as upstream does, begins with an empty cluster and wakes nothing gives the
// same verdicts, for the same reasons.
func TestPaceChangesNoVerdict(t *testing.T) {
	dir := t.TempDir()
	patient := filepath.Join(dir, "patient")
	command := func(args ...string) error {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	if err := command("go", "build", "-tags", "patient", "-o", patient, "./cmd/seatrial"); err != nil {
		t.Fatal(err)
	}
	var both errgroup.Group // side by side: the patient one sleeps most of the time
	for out, build := range map[string]string{"lively": seatrial, "slow": patient} {
		both.Go(func() error {
			return command("go", "run", "./test/verdicts", "-short", "-out", filepath.Join(dir, out), build)
		})
	}
	if err := both.Wait(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "lively", "*.json"))
	if err != nil || len(files) < 10 {
		t.Fatalf("there are %d verdicts, %v", len(files), err)
	}
	for _, file := range files {
		other := filepath.Join(dir, "slow", filepath.Base(file))
		if out, err := exec.Command("diff", "-u", file, other).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", filepath.Base(file), err, out)
		}
	}
}

// A seed that is not as it was made is not used: the run says which file, and engine build
// makes it anew.
func TestForgedSeedIsNotUsed(t *testing.T) {
	cache := copyCache(t)
	files, err := filepath.Glob(filepath.Join(cache, "engine", "seed-*", "state"))
	if err != nil || len(files) != 1 {
		t.Fatalf("seeds: %v, %v", files, err)
	}
	if err := os.WriteFile(files[0], []byte("[]"), 0o644); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "SEATRIAL_CACHE="+cache)
	if r := program(t, nil, env, seatrial, "verify"); r.code != 2 || !strings.Contains(r.stderr, files[0]) || !strings.Contains(r.stderr, "seatrial engine build") {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	if r := program(t, nil, env, seatrial, "engine", "build"); r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	if r := program(t, nil, env, seatrial, "verify", fixture("healthy")); r.code != 0 {
		t.Fatalf("exit %d: %s%s", r.code, r.stderr, r.stdout)
	}
	if b, err := os.ReadFile(files[0]); err != nil || len(b) < 1000 {
		t.Fatalf("the new seed has %d bytes, %v", len(b), err)
	}
}

// A seed holds no key, token or certificate of the cluster that it was taken from.
func TestSeedHoldsNoKeys(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(copyCache(t), "engine", "seed-*", "state"))
	if err != nil || len(files) != 1 {
		t.Fatalf("seeds: %v, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"/registry/leases/", "/registry/events/", "extension-apiserver-authentication\"", "kube-root-ca.crt\"", "/apiservices/v1alpha1.data.packaging"} {
		if strings.Contains(string(b), key) {
			t.Errorf("it holds %s", key)
		}
	}
	if n := strings.Count(string(b), `"key":"/registry/secrets/`); n != 1 || !strings.Contains(string(b), `"/registry/secrets/kapp-controller/kapp-controller-config"`) {
		t.Errorf("it holds %d Secrets, not just kapp-controller's configuration", n)
	}
}

// A StatefulSet whose pods come slowly, in a layer that does not wait for them, is waited for all the
// same: that each pod is refused for a moment is no end.
func TestSlowStatefulSetIsWaitedFor(t *testing.T) {
	if r := verify(t, fixture("rolling")); r.code != 0 {
		t.Fatalf("exit %d, verdict %q", r.code, r.report.Verdict)
	}
}
