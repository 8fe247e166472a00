package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/secrets"
	"seatrial.dev/seatrial/internal/verdict"
	"seatrial.dev/seatrial/test/internet"
)

// world is an internet, and the environment of a user who lives in it with a cache of their own.
type world struct {
	*internet.Internet
	registry *internet.Registry
	cache    string
}

const password = "canary-hunter2"

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	i, err := internet.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	w := &world{Internet: i, cache: filepath.Join(dir, "cache")}
	// The engine is shared, the sources are not.
	base, err := engine.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(w.cache, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(base, "engine"), filepath.Join(w.cache, "engine")); err != nil {
		t.Fatal(err)
	}
	w.registry = &internet.Registry{Host: "registry.example.org", Auth: "auth.example.net", User: "robot", Password: password, Private: "acme/charts"}
	i.NewRegistry(w.registry)
	return w
}

// verify rehearses a repo as this user; offline users have no proxy.
func (w *world) verify(t *testing.T, online bool, args ...string) run {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.json")
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "SEATRIAL_CACHE=") })
	env = append(env, "SEATRIAL_CACHE="+w.cache)
	if online {
		env = append(env, w.Env()...)
	}
	r := program(t, nil, env, seatrial, append([]string{"verify", "--report", file}, args...)...)
	r.read(t, file)
	t.Logf("exit %d\n%s%s", r.code, r.stderr, r.stdout)
	if out := r.stdout + r.stderr; strings.Contains(out, password) {
		t.Error("the output has a password")
	}
	return r
}

// digests are those of what was answered, by URL, and the origins of all of it.
func digests(r run) (map[string]string, map[egress.Origin]int) {
	out, origins := map[string]string{}, map[egress.Origin]int{}
	for _, a := range r.report.Egress {
		origins[a.Origin]++
		if a.Digest != "" && a.Status == http.StatusOK {
			out[a.URL] = a.Digest
		}
	}
	return out, origins
}

// A repo whose objects name hosts of the world is rehearsed with what they serve, again without any of
// them, and its objects are in the cluster as the repo has them.
func TestSourcesOfTheWorld(t *testing.T) {
	w := newWorld(t)
	dir, key := w.repo(t, "robot")

	live := w.verify(t, true, "--sources", "live", "--age-key", key, "--keep", dir)
	if live.code != 0 {
		t.Fatalf("live: exit %d: %+v", live.code, live.report.Findings)
	}
	asTheRepoHasThem(t, kept(t, live))
	want, origins := digests(live)
	// A blob that two releases take is fetched once: by its digest it can't have changed.
	again := slices.ContainsFunc(live.report.Egress, func(a egress.Answer) bool {
		return a.Origin == egress.Cache && !strings.Contains(a.URL, "/blobs/sha256:")
	})
	if origins[egress.Upstream] < 15 || again || origins[egress.StoodIn]+origins[egress.Refused] > 0 {
		t.Errorf("origins %v", origins)
	}
	if len(live.report.StandIns) > 0 || len(live.report.Sources) < 5 {
		t.Errorf("stand-ins %v, sources %v", live.report.StandIns, live.report.Sources)
	}

	w.Close()
	for _, mode := range []string{"cached", "auto"} {
		again := w.verify(t, false, "--sources", mode, "--age-key", key, dir)
		got, origins := digests(again)
		if again.code != 0 || again.report.Verdict != live.report.Verdict {
			t.Fatalf("%s: exit %d: %+v", mode, again.code, again.report.Findings)
		}
		for url, digest := range want {
			if got[url] != digest {
				t.Errorf("%s: %s is %q, and was %q", mode, url, got[url], digest)
			}
		}
		if origins[egress.Upstream]+origins[egress.StoodIn]+origins[egress.Refused] > 0 {
			t.Errorf("%s: origins %v", mode, origins)
		}
	}

	none := w.verify(t, false, "--sources", "stand-in", "--age-key", key, dir)
	if none.code != 2 || none.report.Verdict != verdict.Inconclusive {
		t.Errorf("stand-in: exit %d, verdict %s: %+v", none.code, none.report.Verdict, none.report.Findings)
	}
	if !slices.ContainsFunc(none.report.StandIns, func(s report.StandIn) bool { return strings.Contains(s.Upstream, "aquasecurity") }) {
		t.Errorf("stand-ins %v", none.report.StandIns)
	}
	// Somebody else's password opens nothing, from the cache either.
	other, key := w.repo(t, "stranger")
	if r := w.verify(t, false, "--sources", "cached", "--age-key", key, other); r.code == 0 {
		t.Error("a stranger got what the robot had fetched")
	}
}

// asTheRepoHasThem compares the addresses of the cluster's sources with the repo's.
func asTheRepoHasThem(t *testing.T, kubeconfig string) {
	t.Helper()
	c := connect(t, kubeconfig)
	for resource, want := range map[schema.GroupVersionResource]map[string]string{
		{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "helmrepositories"}:      {"charts": "https://charts.example.org/stable", "oci": "oci://registry.example.org/acme/charts", "aqua": "https://aquasecurity.github.io/helm-charts"},
		{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "ocirepositories"}:       {"thing": "oci://registry.example.org/acme/charts/thing"},
		{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "gitrepositories"}:       {"other": "https://git.example.org/other.git"},
		{Group: "packaging.carvel.dev", Version: "v1alpha1", Resource: "packagerepositories"}: {"acme": "registry.example.org/acme/packages:1.0.0"},
	} {
		list, err := c.Dynamic.Resource(resource).List(soon(t), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, u := range list.Items {
			url, _, _ := unstructured.NestedString(u.Object, "spec", "url")
			if url == "" {
				url, _, _ = unstructured.NestedString(u.Object, "spec", "fetch", "imgpkgBundle", "image")
			}
			insecure, _, _ := unstructured.NestedBool(u.Object, "spec", "insecure")
			if w := want[u.GetName()]; w != "" {
				found++
				if url != w || insecure {
					t.Errorf("%s/%s leads to %s (insecure %v), and in the repo to %s", u.GetKind(), u.GetName(), url, insecure, w)
				}
			}
		}
		if found != len(want) {
			t.Errorf("%s: %d of %d", resource.Resource, found, len(want))
		}
	}
}

// releaseOf is a repo with one layer: a Helm repository, and a release of a chart of it.
func releaseOf(t *testing.T, repository, chart, version, values string, more map[string]string) string {
	t.Helper()
	dir, decryption := t.TempDir(), ""
	if more["apps/ca.yaml"] != "" {
		decryption = ", decryption: {provider: sops, secretRef: {name: sops-age}}"
	}
	writeFiles(t, dir, map[string]string{
		"clusters/prod/layers.yaml": `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {interval: 10m, path: ./apps, prune: true, wait: true, timeout: 1m, sourceRef: {kind: GitRepository, name: flux-system}` + decryption + `}
`,
		"apps/all.yaml": "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: charts, namespace: flux-system}\nspec: {interval: 10m, " + repository + "}\n" +
			"---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: app, namespace: flux-system}\n" +
			"spec: {interval: 10m, chart: {spec: {chart: " + chart + ", version: " + version + ", sourceRef: {kind: HelmRepository, name: charts}}}, values: " + values + "}\n",
	})
	writeFiles(t, dir, more)
	return dir
}

// A chart that does not render with the repo's values is named, with its template and line.
func TestChartThatDoesNotRender(t *testing.T) {
	w := newWorld(t)
	chart := internet.Chart("thing", "1.0.0", internet.Files{"templates/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  text: {{ required \"a text, please\" .Values.text }}\n"})
	w.Handle("charts.example.org", internet.Helm(map[string][]byte{"thing-1.0.0.tgz": chart}, "", "", ""))
	r := w.verify(t, true, "--sources", "live", releaseOf(t, "url: https://charts.example.org", "thing", "1.0.0", "{text: null}", nil))
	if r.code != 1 || !slices.ContainsFunc(r.report.Findings, func(f finding.Finding) bool {
		return f.Code == finding.HelmFailed && f.File == "apps/all.yaml" && f.Line == 7 && strings.Contains(f.Message, "thing/templates/cm.yaml, line 6: a text, please")
	}) {
		t.Errorf("exit %d: %+v", r.code, r.report.Findings)
	}
}

// A source whose server the repo gives certificates for is held against these by the controller itself.
func TestSourceWithCertificatesOfItsOwn(t *testing.T) {
	w := newWorld(t)
	chart := internet.Chart("thing", "1.0.0", internet.Files{"templates/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"})
	w.Handle("charts.example.org", internet.Helm(map[string][]byte{"thing-1.0.0.tgz": chart}, "", "", ""))
	right, err := os.ReadFile(w.CA)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := internet.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	wrong, err := os.ReadFile(stranger.CA)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ca   []byte
		code int
	}{{right, 0}, {wrong, 1}} {
		k, err := secrets.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		key := filepath.Join(t.TempDir(), "age.agekey")
		if err := os.WriteFile(key, k.Text(), 0o600); err != nil {
			t.Fatal(err)
		}
		encrypted, err := secrets.Encrypt(fmt.Appendf(nil, "apiVersion: v1\nkind: Secret\nmetadata: {name: ca, namespace: flux-system}\nstringData:\n  ca.crt: |\n    %s\n", strings.ReplaceAll(strings.TrimSpace(string(c.ca)), "\n", "\n    ")), k.Recipients(), "^(data|stringData)$")
		if err != nil {
			t.Fatal(err)
		}
		r := w.verify(t, true, "--sources", "live", "--age-key", key, releaseOf(t, "url: https://charts.example.org, certSecretRef: {name: ca}", "thing", "1.0.0", "{}", map[string]string{"apps/ca.yaml": string(encrypted)}))
		if r.code != c.code {
			t.Errorf("exit %d, want %d: %+v", r.code, c.code, r.report.Findings)
		}
		if c.code == 0 && !slices.ContainsFunc(r.report.Egress, func(a egress.Answer) bool { return a.Origin == egress.Tunnel }) {
			t.Errorf("%+v", r.report.Egress)
		}
		if c.code == 1 && !slices.ContainsFunc(r.report.Findings, func(f finding.Finding) bool { return strings.Contains(f.Evidence, "x509") }) {
			t.Errorf("%+v", r.report.Findings)
		}
	}
}
