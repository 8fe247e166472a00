package promote

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"seatrial.dev/seatrial/internal/evidence"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/policy"
	"seatrial.dev/seatrial/internal/report"
)

func target(change func(*policy.Target)) *policy.Target {
	t := &policy.Target{Path: "clusters/a", Delivery: policy.Delivery{Type: policy.ToBranch, Remote: "origin", Branch: "main", Provider: "generic"}}
	change(t)
	return t
}

// Each provider is bootstrapped by its own verb, and no secret is an argument.
func TestBootstrapArguments(t *testing.T) {
	for name, c := range map[string]struct {
		change         func(*policy.Target)
		remote, sshKey string
		want           string // in the arguments, in this order
		token          bool
		err            string
	}{
		"https":       {func(*policy.Target) {}, "https://me:canary@git.example.com/fleet.git", "", "bootstrap git --url=https://git.example.com/fleet.git --token-auth --username=git --branch=main --path=clusters/a", true, ""},
		"http":        {func(*policy.Target) {}, "http://127.0.0.1:1/fleet.git", "", "--allow-insecure-http", true, ""},
		"ssh":         {func(*policy.Target) {}, "git@git.example.com:org/fleet.git", "/key", "bootstrap git --url=ssh://git@git.example.com/org/fleet.git --private-key-file=/key --silent", false, ""},
		"ssh, no key": {func(*policy.Target) {}, "ssh://git@git.example.com/fleet.git", "", "", false, "needs a key"},
		"a path":      {func(*policy.Target) {}, "/srv/fleet.git", "", "", false, "a cluster can't reach remote origin"},
		"github": {func(t *policy.Target) {
			t.Delivery.Provider, t.Delivery.Owner, t.Delivery.Repository, t.Delivery.Personal = "github", "me", "fleet", true
		}, "git@github.com:me/fleet", "", "bootstrap github --token-auth --owner=me --repository=fleet --branch=main --path=clusters/a", true, ""},
		"gitlab": {func(t *policy.Target) {
			t.Delivery.Provider, t.Delivery.Owner, t.Delivery.Repository, t.Delivery.Server = "gitlab", "org", "fleet", "https://git.example.com"
		}, "", "", "--hostname=git.example.com", true, ""},
		"components": {func(t *policy.Target) { t.Delivery.Components = []string{"source-controller", "kustomize-controller"} }, "https://a/b", "", "--components=source-controller,kustomize-controller", true, ""},
	} {
		args, token, err := BootstrapArgs(target(c.change), c.remote, c.sshKey, "git", "ctx")
		text := strings.Join(args, " ")
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v", name, err)
			}
			continue
		}
		if err != nil || token != c.token || !strings.Contains(text, c.want) || strings.Contains(text, "canary") || !strings.Contains(text, "--context=ctx") {
			t.Errorf("%s: %s, token %v, %v", name, text, token, err)
		}
		if (name == "github") != slices.Contains(args, "--personal") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

const layer = `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: NAME, namespace: flux-system}
spec: {interval: 10m, timeout: 3m, prune: PRUNE, path: ./NAME, sourceRef: {kind: GitRepository, name: flux-system}DEPENDS}
`

func named(name, prune, depends string) string {
	return strings.NewReplacer("NAME", name, "PRUNE", prune, "DEPENDS", depends).Replace(layer)
}

func repo(t *testing.T, files map[string]string) *gitops.Repo {
	t.Helper()
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	r, err := gitops.Load(tree, "c")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func object(kind, name, more string) string {
	return "apiVersion: v1\nkind: " + kind + "\nmetadata: {name: " + name + ", namespace: web" + more + "}\n---\n"
}

// What Flux would prune is told, and not what it leaves.
func TestPlanTellsWhatIsPruned(t *testing.T) {
	before := repo(t, map[string]string{
		"c/layers.yaml": named("a", "true", "") + "---\n" + named("b", "false", "") + "---\n" + named("gone", "true", ""),
		"a/x.yaml": object("PersistentVolumeClaim", "data", "") + object("ConfigMap", "kept", ", annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}") +
			object("ConfigMap", "changed", "") + object("ConfigMap", "moved", ""),
		"b/x.yaml":    object("ConfigMap", "left", ""),
		"gone/x.yaml": object("ConfigMap", "of-gone", ""),
	})
	after := repo(t, map[string]string{
		"c/layers.yaml": named("a", "true", "") + "---\n" + named("b", "false", ""),
		"a/x.yaml":      object("ConfigMap", "changed", ", labels: {a: b}") + object("ConfigMap", "new", ""),
		"b/x.yaml":      object("ConfigMap", "moved", ""),
	})
	got := map[string]LayerChange{}
	for _, c := range compare(before, after) {
		got[c.Layer] = c
	}
	is := func(got []string, want ...string) {
		t.Helper()
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	is(got["a"].Pruned, "PersistentVolumeClaim/web/data")
	is(got["a"].Left, "ConfigMap/web/kept")
	is(got["a"].Changed, "ConfigMap/web/changed")
	is(got["a"].Added, "ConfigMap/web/new")
	is(got["b"].Left, "ConfigMap/web/left")
	is(got["b"].Moved, "ConfigMap/web/moved")
	is(got["gone"].Pruned, "ConfigMap/web/of-gone")
	is(got["flux-system"].Pruned, "Kustomization/flux-system/gone")
	if !got["gone"].Removed || got["a"].New {
		t.Errorf("%+v", got)
	}
	if lost := endangered(compare(before, after)); len(lost) != 1 || !strings.Contains(lost[0], "PersistentVolumeClaim/web/data would be pruned") {
		t.Errorf("endangered %v", lost)
	}
	// The layer is changed first, so its new word decides.
	turned := repo(t, map[string]string{"c/layers.yaml": named("b", "true", ""), "b/x.yaml": object("ConfigMap", "moved", "")})
	for _, c := range compare(repo(t, map[string]string{"c/layers.yaml": named("b", "false", ""), "b/x.yaml": object("ConfigMap", "left", "")}), turned) {
		if c.Layer == "b" {
			is(c.Pruned, "ConfigMap/web/left")
		}
	}
	if first := compare(nil, after); len(first) != 3 || !first[0].New {
		t.Errorf("the first time: %+v", first)
	}
}

// The limit is what Flux itself gives the longest chain of layers, within bounds.
func TestLimit(t *testing.T) {
	files := map[string]string{"c/layers.yaml": named("a", "true", "") + "---\n" + named("b", "true", ", dependsOn: [{name: a}]") + "---\n" + named("d", "true", ", dependsOn: [{name: b}]") + "---\n" + named("e", "true", ", dependsOn: [{name: d}]")}
	for _, n := range []string{"a", "b", "d", "e"} {
		files[n+"/x.yaml"] = object("ConfigMap", n, "")
	}
	p := &promotion{target: target(func(*policy.Target) {})}
	if got := p.limit(repo(t, files)); got != 4*(3*time.Minute+30*time.Second) {
		t.Errorf("got %s", got)
	}
	p.target.Budget = "7m"
	if got := p.limit(repo(t, files)); got != 7*time.Minute {
		t.Errorf("got %s", got)
	}
	p.Timeout = time.Minute
	if got := p.limit(repo(t, files)); got != time.Minute {
		t.Errorf("got %s", got)
	}
}

// What failed only on the real cluster is told with what it hid behind.
func TestWhatAFailureHidBehind(t *testing.T) {
	p := &promotion{proof: &evidence.Opened{Rehearsal: evidence.Rehearsal{
		BlindSpots: []finding.BlindSpot{finding.Unseen(finding.PodsSimulated, "pods"), finding.Unseen(finding.Unobserved, "Certificate in layer a: no controller")},
		StandIns:   []report.StandIn{{Upstream: "x"}},
	}}}
	for _, c := range []struct {
		f    finding.Finding
		want string
	}{
		{finding.Finding{Object: "ConfigMap/a/b", Evidence: "denied request: no"}, "admission webhook or policy"},
		{finding.Finding{Object: "Deployment/a/b", Evidence: "ImagePullBackOff"}, "pods-simulated"},
		{finding.Finding{Object: "HelmRelease/a/b", Code: finding.HelmFailed}, "stand-ins"},
		{finding.Finding{Object: "Certificate/a/b"}, "blind spot unobserved"},
		{finding.Finding{Object: "PersistentVolumeClaim/a/b", Evidence: "no PersistentVolumeClaim is bound"}, "StorageClass"},
	} {
		if got := p.behind(c.f); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %s", c.f.Object, got, c.want)
		}
	}
}

// What the tree accepts of its rehearsal is told as that when the cluster shows it.
func TestAcceptedFailuresAreFailuresOfTheCluster(t *testing.T) {
	p := &promotion{result: &Result{}, proof: &evidence.Opened{Rehearsal: evidence.Rehearsal{
		Accepted: []evidence.Accepted{{Code: finding.HelmFailed, Object: "HelmRelease/a/b", Reason: "no GPU"}},
	}}}
	r := &report.Report{Findings: []finding.Finding{{Code: finding.HelmFailed, Severity: finding.Error, Object: "HelmRelease/a/b"}, {Code: finding.HelmFailed, Severity: finding.Error, Object: "HelmRelease/a/c"}}}
	p.tellWhatBit(r)
	if got := r.Findings[0].Message; !strings.Contains(got, "The rehearsal found it, too, and the repo accepts it there: no GPU") {
		t.Error(got)
	}
	if got := r.Findings[1].Message; !strings.Contains(got, "The rehearsal passed it") {
		t.Error(got)
	}
	if got := (&Proof{Accepted: p.proof.Accepted}).outcome(); strings.Contains(got, "every layer") {
		t.Error(got)
	}
}

// Capacity is what the nodes have left, and schedulable.
func TestCapacity(t *testing.T) {
	node := func(cpu string, cordoned bool) corev1.Node {
		n := corev1.Node{}
		n.Spec.Unschedulable = cordoned
		n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("1Gi"), corev1.ResourcePods: resource.MustParse("10")}
		return n
	}
	pod := corev1.Pod{}
	pod.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m")}}}}
	for cpu, want := range map[string]int{"1500m": 0, "1600m": 1} {
		p := &promotion{result: &Result{}}
		p.fits(&report.Demand{Pods: 1, CPU: cpu, Memory: "1Gi"}, []corev1.Node{node("2", false), node("8", true)}, []corev1.Pod{pod})
		if n := finding.Errors(p.result.Preflight); n != want {
			t.Errorf("%s: %+v", cpu, p.result.Preflight)
		}
	}
}

func TestOwners(t *testing.T) {
	for want, marks := range map[string][2]map[string]string{
		"Kustomization a/b": {{"kustomize.toolkit.fluxcd.io/name": "b", "kustomize.toolkit.fluxcd.io/namespace": "a"}, nil},
		"HelmRelease a/b":   {{"helm.toolkit.fluxcd.io/name": "b", "helm.toolkit.fluxcd.io/namespace": "a"}, nil},
		"Helm release a/b":  {nil, {"meta.helm.sh/release-name": "b", "meta.helm.sh/release-namespace": "a"}},
		"kapp app x":        {{"kapp.k14s.io/app": "x"}, nil},
		"":                  {{"app": "x"}, nil},
	} {
		if got := ownerOf(marks[0], marks[1]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Only what flux bootstrap itself writes passes for it.
func TestBootstrapsOwnFiles(t *testing.T) {
	const sync = `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1m0s, ref: {branch: main}, secretRef: {name: flux-system}, url: "https://a/b"}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 10m0s, path: ./clusters/a, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
`
	if !plainSync([]byte(sync), "clusters/a") || !plainSync(nil, "clusters/a") {
		t.Error("its own sync is refused")
	}
	for name, text := range map[string]string{
		"patches":      strings.Replace(sync, "prune: true", "prune: true, patches: [{patch: x}]", 1),
		"other folder": strings.Replace(sync, "./clusters/a", "./clusters/b", 1),
		"one more":     sync + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: x, namespace: flux-system}\n",
		"less":         sync[strings.Index(sync, "---")+4:],
		"other name":   strings.Replace(sync, "name: flux-system, namespace", "name: other, namespace", 1),
	} {
		if plainSync([]byte(text), "clusters/a") {
			t.Errorf("%s passes", name)
		}
	}
	const kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- gotk-components.yaml\n- gotk-sync.yaml\n"
	if !plainKustomization([]byte(kustomization)) || plainKustomization([]byte(kustomization+"patches: []\n")) || plainKustomization([]byte(kustomization+"- evil.yaml\n")) {
		t.Error("kustomizations are not told apart")
	}
	if !sameObjects([]byte("# a\n"+sync), []byte(sync)) || sameObjects([]byte(sync), []byte(sync+"---\napiVersion: v1\nkind: Secret\nmetadata: {name: x}\n")) || sameObjects(nil, []byte(":")) {
		t.Error("manifests are not told apart")
	}
}

// A repository is known by its end, as its host may have several names.
func TestRepositories(t *testing.T) {
	for address, want := range map[string]string{
		"https://git.example.com/org/fleet.git": "org/fleet", "ssh://git@git.example.com:22/org/fleet": "org/fleet",
		"git@git.example.com:org/fleet.git": "org/fleet", "http://127.0.0.1:1/repo.git": "repo", "http://gitea:3000/repo.git/": "repo",
	} {
		if got := repositoryOf(address); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

// A request's body is never longer than the provider takes, and neither Markdown nor HTML of the repo's.
func TestMarkdown(t *testing.T) {
	r := &Result{Target: "a", Preflight: []finding.Finding{{Severity: finding.Warning, Code: finding.ClusterDiffers, Message: "<img src=x> @everyone `x`"}}, Plan: &Plan{}}
	got := r.Markdown(1 << 20)
	if strings.Contains(got, "<img") || strings.Contains(got, "@everyone") || strings.Index(got, "cluster-differs") > strings.Index(got, "```text") {
		t.Error(got)
	}
	if got := r.Markdown(40); len(got) > 40 {
		t.Errorf("%d bytes", len(got))
	}
}
