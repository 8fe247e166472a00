package verdict

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/live/livetest"
)

const commit = "0123456789012345678901234567890123456789"

// ks returns a live Kustomization.
func ks(name, status, reason, message, inventory string) string {
	return `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: ` + name + `, namespace: flux-system, generation: 1}
status:
  observedGeneration: 1
  lastAppliedRevision: rehearsal@sha1:` + commit + `
  conditions: [{type: Ready, status: "` + status + `", reason: ` + reason + `, message: '` + message + `'}]
  inventory: {entries: [` + inventory + `]}
`
}

// repo has layers by their names: name<dependency, and name! for one that is suspended.
func repo(t testing.TB, layers ...string) *gitops.Repo {
	t.Helper()
	tree := fstest.MapFS{"x/kustomization.yaml": {Data: []byte("resources: []")}}
	var docs []string
	for _, l := range layers {
		name, deps, _ := strings.Cut(l, "<")
		name, suspended := strings.CutSuffix(name, "!")
		doc := "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: " + name + ", namespace: flux-system}\nspec:\n  path: x\n  sourceRef: {kind: GitRepository, name: flux-system}\n"
		if deps != "" {
			doc += "  dependsOn: [{name: " + deps + "}]\n"
		}
		if suspended {
			doc += "  suspend: true\n"
		}
		docs = append(docs, doc)
	}
	tree["c/l.yaml"] = &fstest.MapFile{Data: []byte(strings.Join(docs, "---\n"))}
	r, err := gitops.Load(tree, "c")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// after has a new judge assess a cluster that does not change, at some seconds after the start.
func after(t *testing.T, r *gitops.Repo, c live.View, seconds ...float64) (*Judge, Assessment) {
	t.Helper()
	start := time.Unix(1000, 0)
	j := NewJudge(r, commit, DefaultPatience, start)
	var a Assessment
	for _, s := range seconds {
		a = j.Assess(c, start.Add(time.Duration(s*float64(time.Second))))
	}
	return j, a
}

func statuses(a Assessment) string {
	var out []string
	for _, l := range a.Layers {
		out = append(out, l.Name+"="+string(l.Status))
	}
	return strings.Join(out, " ")
}

var root = ks("flux-system", "True", "ReconciliationSucceeded", "", "")

func TestLayerPassesOnEvidenceOnly(t *testing.T) {
	good := ks("a", "True", "ReconciliationSucceeded", "", `{id: web_c__ConfigMap, v: v1}`)
	configMap := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: web}"
	for name, c := range map[string]struct {
		objects []string
		want    string
	}{
		"all there":             {[]string{root, good, configMap}, "flux-system=reconciled a=reconciled"},
		"object gone":           {[]string{root, good}, "flux-system=reconciled a=pending"},
		"other revision":        {[]string{root, strings.Replace(good, commit, "9"+commit[1:], 1), configMap}, "flux-system=reconciled a=pending"},
		"no revision":           {[]string{root, strings.Replace(good, "rehearsal@sha1:"+commit, "''", 1), configMap}, "flux-system=reconciled a=pending"},
		"old generation":        {[]string{root, strings.Replace(good, "generation: 1}", "generation: 2}", 1), configMap}, "flux-system=reconciled a=pending"},
		"not ready":             {[]string{root, ks("a", "Unknown", "Progressing", "", ""), configMap}, "flux-system=reconciled a=pending"},
		"unreadable inventory":  {[]string{root, ks("a", "True", "ReconciliationSucceeded", "", "{id: garbage, v: v1}")}, "flux-system=reconciled a=pending"},
		"nothing is known of a": {[]string{root}, "flux-system=reconciled a=pending"},
	} {
		_, a := after(t, repo(t, "a"), livetest.Cluster(t, c.objects...), 0)
		if got := statuses(a); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestReadyLayerWithFailedPackageFails(t *testing.T) {
	c := livetest.Cluster(t, root, ks("a", "True", "ReconciliationSucceeded", "", `{id: tkg-system_p_packaging.carvel.dev_PackageInstall, v: v1alpha1}`), `
apiVersion: packaging.carvel.dev/v1alpha1
kind: PackageInstall
metadata: {name: p, namespace: tkg-system, generation: 1}
spec: {serviceAccountName: sa}
status:
  observedGeneration: 1
  usefulErrorMessage: 'kapp: Error: crds is forbidden: User "system:serviceaccount:tkg-system:sa" cannot create'
  conditions: [{type: ReconcileFailed, status: "True"}]
`)
	j, a := after(t, repo(t, "a"), c, 0, 3)
	if !a.Final || statuses(a) != "flux-system=reconciled a=failed" {
		t.Fatalf("final %v, %s", a.Final, statuses(a))
	}
	got := j.Explain(c, a)
	if len(got) != 1 || got[0].Code != finding.PackageRBAC || got[0].Object != "PackageInstall/tkg-system/p" {
		t.Fatalf("got %+v", got)
	}
}

func TestFailureIsFinalOnlyAfterARetry(t *testing.T) {
	r := repo(t, "a", "b<a")
	failing := ks("a", "False", "ReconciliationFailed", `no matches for kind "X" in version "y.io/v1"`, "")
	c := livetest.Cluster(t, root, failing, ks("b", "False", "DependencyNotReady", "", ""))
	j, a := after(t, r, c, 0, 3)
	if a.Final || len(a.Retries) != 1 || a.Retries[0].Name != "a" {
		t.Fatalf("at rest: final %v, retries %v", a.Final, a.Retries)
	}
	// It has not answered yet: wait.
	if a = j.Assess(c, time.Unix(1004, 0)); a.Final || len(a.Retries) != 0 {
		t.Fatalf("unanswered: final %v, retries %v", a.Final, a.Retries)
	}
	u := c[live.Ref{GroupKind: gitops.KustomizationKind, Namespace: "flux-system", Name: "a"}]
	if err := unstructured.SetNestedField(u.Object, j.asked[live.RefOf(u)].token, "status", "lastHandledReconcileAt"); err != nil {
		t.Fatal(err)
	}
	if a = j.Assess(c, time.Unix(1005, 0)); !a.Final || statuses(a) != "flux-system=reconciled a=failed b=blocked" {
		t.Fatalf("final %v, %s", a.Final, statuses(a))
	}
	if got := j.Explain(c, a); len(got) != 1 || got[0].Code != finding.UnknownKind || got[0].Layer != "a" {
		t.Fatalf("got %+v", got)
	}
}

// A layer that is asked to reconcile again after a stall is waited for, too: its
// message while it reconciles is not why it fails.
func TestAnswerIsAwaitedAfterAStall(t *testing.T) {
	const stalled = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmChart\nmetadata: {name: c, namespace: web, generation: 1}\nstatus: {observedGeneration: 1, conditions: [{type: Ready, status: Unknown}]}"
	failing := ks("a", "False", "BuildFailed", "it does not build", "")
	c := livetest.Cluster(t, root, failing, stalled)
	j, a := after(t, repo(t, "a"), c, 0, 26)
	if a.Final || len(a.Retries) != 1 {
		t.Fatalf("at rest: final %v, retries %v", a.Final, a.Retries)
	}
	says := func(manifest string) {
		u := livetest.Object(t, manifest)
		ref := live.RefOf(u)
		if err := unstructured.SetNestedField(u.Object, j.asked[ref].token, "status", "lastHandledReconcileAt"); err != nil {
			t.Fatal(err)
		}
		c[ref] = u
	}
	says(ks("a", "Unknown", "Progressing", "Reconciliation in progress", ""))
	if a = j.Assess(c, time.Unix(1027, 0)); a.Final {
		t.Fatalf("final, while it is at work: %s", statuses(a))
	}
	says(failing)
	if a = j.Assess(c, time.Unix(1028, 0)); !a.Final || a.Layers[1].Message != "it does not build" {
		t.Fatalf("final %v, %+v", a.Final, a.Layers[1])
	}
}

func TestMovementPostponesTheVerdict(t *testing.T) {
	c := livetest.Cluster(t, root, ks("a", "False", "ReconciliationFailed", "x", ""), ks("b", "Unknown", "Progressing", "", ""))
	if _, a := after(t, repo(t, "a", "b"), c, 0, 10); a.Final || len(a.Retries) != 0 {
		t.Fatalf("b still moves: final %v, retries %v", a.Final, a.Retries)
	}
	if _, a := after(t, repo(t, "a", "b"), c, 0, 26); len(a.Retries) != 1 {
		t.Fatal("b claims to move, but nothing has changed for long")
	}
}

func TestCyclesAndWhatWaitsForThemEndAtOnce(t *testing.T) {
	_, a := after(t, repo(t, "a<b", "b<a", "c<b", "d<nowhere", "e"), livetest.Cluster(t, root, ks("e", "True", "ReconciliationSucceeded", "", "")), 0)
	if want := "flux-system=reconciled a=unreachable b=unreachable c=blocked d=unreachable e=reconciled"; !a.Final || statuses(a) != want {
		t.Fatalf("final %v, %s", a.Final, statuses(a))
	}
}

// A version of an object is looked at once; one that is in progress is looked at again, as
// time alone may make it a failed one; and a new version is always looked at.
func TestEachVersionIsLookedAtOnce(t *testing.T) {
	j := NewJudge(repo(t, "a"), commit, DefaultPatience, time.Unix(1000, 0))
	u := livetest.Object(t, ks("a", "True", "ReconciliationSucceeded", "", ""))
	see := func(version, status string) live.State {
		if err := unstructured.SetNestedSlice(u.Object, []any{map[string]any{"type": "Ready", "status": status}}, "status", "conditions"); err != nil {
			t.Fatal(err)
		}
		u.SetResourceVersion(version)
		state, _ := j.observe(u)
		return state
	}
	for i, step := range []struct {
		version, status string
		want            live.State
	}{
		{"1", "Unknown", live.Progressing}, {"1", "True", live.Current}, {"1", "False", live.Current}, {"2", "False", live.Failed}, {"", "True", live.Current}, {"", "False", live.Failed},
	} {
		if got := see(step.version, step.status); got != step.want {
			t.Errorf("%d: version %q with Ready %s: state %v, want %v", i, step.version, step.status, got, step.want)
		}
	}
}
