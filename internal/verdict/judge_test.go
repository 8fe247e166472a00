package verdict

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// fake is a cluster of objects written as YAML.
type fake map[ObjectRef]*unstructured.Unstructured

func (f fake) Get(ref ObjectRef) (*unstructured.Unstructured, bool) { return f[ref], true }

func (f fake) List(gk schema.GroupKind) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for ref, u := range f {
		if ref.GroupKind == gk {
			out = append(out, u)
		}
	}
	return out
}

func cluster(t *testing.T, manifests ...string) fake {
	t.Helper()
	f := fake{}
	for _, m := range manifests {
		u := parsed(t, m)
		f[refOf(u)] = u
	}
	return f
}

func parsed(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	b, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(b); err != nil {
		t.Fatal(err)
	}
	return u
}

const commit = "0123456789012345678901234567890123456789"

// ks is a live Kustomization.
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

func repo(t *testing.T, layers ...string) *gitops.Repo {
	t.Helper()
	tree := fstest.MapFS{"x/kustomization.yaml": {Data: []byte("resources: []")}}
	var docs []string
	for _, l := range layers {
		name, deps, _ := strings.Cut(l, "<")
		doc := "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: " + name + ", namespace: flux-system}\nspec:\n  path: x\n  sourceRef: {kind: GitRepository, name: flux-system}\n"
		if deps != "" {
			doc += "  dependsOn: [{name: " + deps + "}]\n"
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

// after assesses an unchanging cluster at some seconds after the start.
func after(t *testing.T, r *gitops.Repo, c Cluster, seconds ...float64) (*Judge, Assessment) {
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
		_, a := after(t, repo(t, "a"), cluster(t, c.objects...), 0)
		if got := statuses(a); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestReadyLayerWithFailedPackageFails(t *testing.T) {
	c := cluster(t, root, ks("a", "True", "ReconciliationSucceeded", "", `{id: tkg-system_p_packaging.carvel.dev_PackageInstall, v: v1alpha1}`), `
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
	c := cluster(t, root, failing, ks("b", "False", "DependencyNotReady", "", ""))
	j, a := after(t, r, c, 0, 3)
	if a.Final || len(a.Retries) != 1 || a.Retries[0].Name != "a" {
		t.Fatalf("at rest: final %v, retries %v", a.Final, a.Retries)
	}
	// It has not answered yet: wait.
	if a = j.Assess(c, time.Unix(1004, 0)); a.Final || len(a.Retries) != 0 {
		t.Fatalf("unanswered: final %v, retries %v", a.Final, a.Retries)
	}
	u := c[ObjectRef{layerKind, "flux-system", "a"}]
	if err := unstructured.SetNestedField(u.Object, j.asked[refOf(u)].token, "status", "lastHandledReconcileAt"); err != nil {
		t.Fatal(err)
	}
	if a = j.Assess(c, time.Unix(1005, 0)); !a.Final || statuses(a) != "flux-system=reconciled a=failed b=blocked" {
		t.Fatalf("final %v, %s", a.Final, statuses(a))
	}
	if got := j.Explain(c, a); len(got) != 1 || got[0].Code != finding.UnknownKind || got[0].Layer != "a" {
		t.Fatalf("got %+v", got)
	}
}

func TestMovementPostponesTheVerdict(t *testing.T) {
	c := cluster(t, root, ks("a", "False", "ReconciliationFailed", "x", ""), ks("b", "Unknown", "Progressing", "", ""))
	if _, a := after(t, repo(t, "a", "b"), c, 0, 10); a.Final || len(a.Retries) != 0 {
		t.Fatalf("b still moves: final %v, retries %v", a.Final, a.Retries)
	}
	if _, a := after(t, repo(t, "a", "b"), c, 0, 26); len(a.Retries) != 1 {
		t.Fatal("b claims to move, but nothing has changed for long")
	}
}

func TestCyclesAndWhatWaitsForThemEndAtOnce(t *testing.T) {
	_, a := after(t, repo(t, "a<b", "b<a", "c<b", "d<nowhere", "e"), cluster(t, root, ks("e", "True", "ReconciliationSucceeded", "", "")), 0)
	if want := "flux-system=reconciled a=unreachable b=unreachable c=blocked d=unreachable e=reconciled"; !a.Final || statuses(a) != want {
		t.Fatalf("final %v, %s", a.Final, statuses(a))
	}
}

func TestObserve(t *testing.T) {
	for _, c := range []struct {
		name, manifest string
		want           State
	}{
		{"failed PackageRepository", "apiVersion: packaging.carvel.dev/v1alpha1\nkind: PackageRepository\nmetadata: {generation: 1}\nstatus: {observedGeneration: 1, conditions: [{type: ReconcileFailed, status: 'True'}]}", Failed},
		{"reconciled App", "apiVersion: kappctrl.k14s.io/v1alpha1\nkind: App\nmetadata: {generation: 1}\nstatus: {observedGeneration: 1, conditions: [{type: ReconcileSucceeded, status: 'True'}]}", Current},
		{"App of an older generation", "apiVersion: kappctrl.k14s.io/v1alpha1\nkind: App\nmetadata: {generation: 2}\nstatus: {observedGeneration: 1, conditions: [{type: ReconcileSucceeded, status: 'True'}]}", Progressing},
		{"unseen HelmRelease", "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {generation: 1}", Progressing},
		{"OCI HelmRepository", "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {generation: 1}\nspec: {type: oci}", Current},
		{"Deployment without replicas yet", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {generation: 1}\nspec: {replicas: 1}\nstatus: {observedGeneration: 1}", Progressing},
		{"Certificate that nobody acts on", "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {generation: 1}", Unobserved},
		{"HTTPProxy with a default status", "apiVersion: projectcontour.io/v1\nkind: HTTPProxy\nmetadata: {generation: 1}\nstatus: {currentStatus: NotReconciled}", Unobserved},
		{"Certificate that failed", "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {generation: 1}\nstatus: {conditions: [{type: Ready, status: 'False'}]}", Progressing},
		{"object on its way out", "apiVersion: v1\nkind: ConfigMap\nmetadata: {deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [a/b]}", Progressing},
	} {
		if got, why := Observe(parsed(t, c.manifest)); got != c.want {
			t.Errorf("%s: got %d (%s), want %d", c.name, got, why, c.want)
		}
	}
}

func TestUnreachedSourcesAreInconclusive(t *testing.T) {
	lookup := finding.Finding{Code: finding.SourceFailed, Severity: finding.Error, Evidence: "dial tcp: lookup charts.example.com: no such host"}
	if !Unreached([]finding.Finding{lookup}) {
		t.Error("a source that can't be reached says nothing against the repo")
	}
	if Unreached([]finding.Finding{lookup, {Code: finding.ApplyFailed, Severity: finding.Error}}) || Unreached(nil) {
		t.Error("another error does")
	}
}
