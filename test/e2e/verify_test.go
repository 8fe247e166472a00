package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/verdict"
)

var nineLayers = []string{"namespaces", "secrets", "cluster-essentials", "helm-prereqs", "kapp-prereqs", "helm", "kapp", "helm-post", "kapp-post"}

// passes checks that a run reconciled the sample's layers.
func passes(t *testing.T, r run) {
	t.Helper()
	if r.code != 0 || r.report.Verdict != verdict.Pass {
		t.Fatalf("exit %d, verdict %q\n%s", r.code, r.report.Verdict, r.stderr)
	}
	for _, name := range nineLayers {
		i := slices.IndexFunc(r.report.Layers, func(l report.Layer) bool { return l.Name == name })
		if i < 0 || r.report.Layers[i].Status != "reconciled" || r.report.Layers[i].Objects == 0 {
			t.Errorf("layer %s did not reconcile anything", name)
		}
	}
}

func TestSamplePasses(t *testing.T) {
	r := verify(t)
	passes(t, r)
	if r.report.Tier != "embedded" || len(r.report.Revision) != 40 || len(r.report.Tree) != 40 {
		t.Errorf("got %+v", r.report)
	}
	if len(r.report.StandIns) != 4 || len(r.report.BlindSpots) < 3 {
		t.Errorf("stand-ins %v, blind spots %v", r.report.StandIns, r.report.BlindSpots)
	}
	if !strings.Contains(r.stdout, "Summary: pass: 10 of 10 layers reconciled") {
		t.Errorf("no summary in\n%s", r.stdout)
	}
}

func TestJSONOnStdoutIsOnlyTheReport(t *testing.T) {
	t.Parallel()
	r := command(t, nil, "verify", "-o", "json", fixture("bootstrapped"))
	var got report.Report
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || got.Verdict != verdict.Pass || r.code != 0 {
		t.Fatalf("%v, exit %d, verdict %q\n%s", err, r.code, got.Verdict, r.stderr)
	}
}

// Each fault is found with the right code and place, and in time. check knows most of the faults, so
// the evidence must be what only the cluster reports; a layer that can't start has a message instead.
func TestFaultyReposFail(t *testing.T) {
	for _, c := range []struct {
		repo, layer, object, file string
		line                      int
		code                      finding.Code
		status                    verdict.Status
		evidence, message         string
	}{
		{"crd-and-cr", "kapp", "Certificate/web/web-tls", "layers/kapp/web-certificate.yaml", 2, finding.CRDAndCR, "failed", `no matches for kind "Certificate"`, "dry-run failed"},
		{"dependency-cycle", "settings", "Kustomization/flux-system/settings", "clusters/services/layers.yaml", 24, finding.DependencyCycle, "unreachable", "", "part of a dependsOn cycle"},
		{"dangling-dependency", "settings", "Kustomization/flux-system/settings", "clusters/services/layers.yaml", 23, finding.DanglingDepends, "unreachable", "", "which does not exist"},
		{"sops-wrong-recipient", "secrets", "Secret/web/web-credentials", "layers/secrets/web-credentials.yaml", 2, finding.SOPSRecipient, "failed", "failed to decrypt", "failed to decrypt"},
		{"package-lacks-rbac", "kapp", "PackageInstall/tkg-system/cert-manager", "layers/kapp/cert-manager.yaml", 2, finding.PackageRBAC, "failed", "forbidden", "PackageInstall/tkg-system/cert-manager: ReconcileFailed"},
		{"removed-api", "settings", "PodDisruptionBudget/web/web", "layers/settings/web-budget.yaml", 2, finding.RemovedAPI, "failed", `no matches for kind "PodDisruptionBudget"`, "dry-run failed"},
	} {
		t.Run(c.repo, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			r := verify(t, fixture(c.repo))
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %s", took)
			}
			if r.code != 1 || r.report.Verdict != verdict.Fail {
				t.Errorf("exit %d, verdict %q", r.code, r.report.Verdict)
			}
			found := slices.ContainsFunc(r.report.Findings, func(f finding.Finding) bool {
				return f.Code == c.code && f.Severity == finding.Error && f.Layer == c.layer && f.Object == c.object && f.File == c.file && f.Line == c.line &&
					strings.Contains(f.Evidence, c.evidence)
			})
			if !found {
				t.Errorf("want %+v among %+v", c, r.report.Findings)
			}
			i := slices.IndexFunc(r.report.Layers, func(l report.Layer) bool { return l.Name == c.layer })
			if i < 0 || r.report.Layers[i].Status != c.status || !strings.Contains(r.report.Layers[i].Message, c.message) {
				t.Errorf("layer %s: want status %s, %q: %+v", c.layer, c.status, c.message, r.report.Layers)
			}
		})
	}
}

// Flux says that the layer is Ready; Seatrial must not believe it.
func TestReadyKustomizationWithFailedPackageFails(t *testing.T) {
	t.Parallel()
	r := verify(t, fixture("package-lacks-rbac"))
	i := slices.IndexFunc(r.report.Findings, func(f finding.Finding) bool { return f.Code == finding.PackageRBAC })
	if i < 0 || !strings.Contains(r.report.Findings[i].Message, "while its Kustomization says Ready") {
		t.Fatalf("got %+v", r.report.Findings)
	}
}

// A repo that was bootstrapped before brings its own GitRepository, which
// points at production; the rehearsal stays on the rehearsed tree.
func TestBootstrappedRepoStaysInTheRehearsal(t *testing.T) {
	t.Parallel()
	r := verify(t, fixture("bootstrapped"))
	if r.code != 0 || len(r.report.Layers) != 4 {
		t.Fatalf("exit %d, layers %+v", r.code, r.report.Layers)
	}
	// Its Flux components are of an older version, which must not replace those that run.
	if !slices.ContainsFunc(r.report.BlindSpots, func(s finding.BlindSpot) bool { return strings.Contains(s.Message, "bootstrapped with Flux v2.0.1") }) {
		t.Errorf("blind spots %v", r.report.BlindSpots)
	}
	// Its webhook, whose pod is simulated, does not refuse everything.
	if !slices.ContainsFunc(r.report.BlindSpots, func(s finding.BlindSpot) bool {
		return strings.Contains(s.Message, "settings.policy.my-domain.com was answered as allowed") && strings.Contains(s.Message, "ConfigMap web/settings")
	}) {
		t.Errorf("blind spots %v", r.report.BlindSpots)
	}
}

// generated writes the sample repo and returns its folder.
func generated(t *testing.T, args ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "services")
	if r := command(t, nil, append([]string{"generate", "--out", dir}, args...)...); r.code != 0 {
		t.Fatal(r.stderr)
	}
	return dir
}

func TestGeneratedRepoPassesWithoutItsKey(t *testing.T) {
	t.Parallel()
	r := verify(t, generated(t))
	passes(t, r)
	if len(r.report.Rekeyed) != 6 {
		t.Errorf("re-keyed %+v", r.report.Rekeyed)
	}
}

func TestUnprivilegedUserPasses(t *testing.T) {
	if os.Geteuid() != 0 {
		passes(t, verify(t)) // all other tests already run as an unprivileged user
		return
	}
	const nobody = 65534
	home := t.TempDir()
	for dir := home; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(home, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cache := copyCache(t)
	file := filepath.Join(home, "report.json")
	env := append(slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "HOME=") }), "HOME="+home, "SEATRIAL_CACHE="+cache)
	r := program(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}, env, seatrial, "verify", "--report", file)
	t.Log(r.stderr)
	r.read(t, file)
	passes(t, r)
}

// copyCache makes the engine readable for everybody.
func copyCache(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "seatrial-cache-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	list := command(t, nil, "engine", "list", "-o", "json")
	var entries []struct {
		Dir     string `json:"dir"`
		Current bool   `json:"current"`
	}
	if err := json.Unmarshal([]byte(list.stdout), &entries); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "engine"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Current {
			if out, err := exec.Command("cp", "-r", e.Dir, filepath.Join(dir, "engine")).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestThreeAtOncePass(t *testing.T) {
	var wg sync.WaitGroup
	runs := make([]run, 3)
	for i := range runs {
		wg.Go(func() { runs[i] = verify(t) })
	}
	wg.Wait()
	for _, r := range runs {
		passes(t, r)
	}
}

// Where namespaces are refused, as in most containers, the run still passes
// and removes what it made.
func TestWithoutNamespacesPasses(t *testing.T) {
	setpriv, err := exec.LookPath("setpriv")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and setpriv to take the right to make namespaces away; CI has both")
	}
	file := filepath.Join(t.TempDir(), "report.json")
	r := program(t, nil, nil, setpriv, "--bounding-set=-sys_admin", seatrial, "verify", "--report", file)
	t.Log(r.stderr)
	if !strings.Contains(r.stderr, "no private namespaces") {
		t.Fatal("it made namespaces all the same")
	}
	r.read(t, file)
	passes(t, r)
	for _, dir := range []string{"/home/kapp-controller", "/var/run/secrets/kubernetes.io"} {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s was left behind", dir)
		}
	}
}

// listeners are the local addresses of listening TCP sockets.
func listeners(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(b), "\n") {
			if f := strings.Fields(line); len(f) > 3 && f[3] == "0A" {
				out = append(out, f[1])
			}
		}
	}
	return out
}

func TestKeptClusterIsReachableAndEnds(t *testing.T) {
	r := command(t, nil, "verify", "--keep", fixture("bootstrapped"))
	if r.code != 0 {
		t.Fatal(r.stderr)
	}
	kubeconfig := kept(t, r)
	if got := namespaces(t, kubeconfig); !slices.Contains(got, "web") {
		t.Errorf("got namespaces %v", got)
	}
	var pid int
	if _, err := fmt.Sscan(strings.TrimSuffix(filepath.Base(kubeconfig), ".kubeconfig"), &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := os.Stat(kubeconfig); os.IsNotExist(err) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("the kubeconfig is still there after the end")
}

// kept is the kubeconfig of a cluster that a run has left up; the test ends it.
func kept(t *testing.T, r run) string {
	t.Helper()
	var kubeconfig string
	var pid int
	for _, line := range strings.Split(r.stderr, "\n") {
		if _, after, ok := strings.Cut(line, "KUBECONFIG="); ok {
			kubeconfig = strings.TrimSpace(after)
		}
		if _, after, ok := strings.Cut(line, "end it with: kill "); ok {
			if _, err := fmt.Sscan(after, &pid); err != nil {
				t.Fatal(err)
			}
		}
	}
	if kubeconfig == "" || pid == 0 {
		t.Fatalf("no way to reach and end it in\n%s", r.stderr)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	return kubeconfig
}
