package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/verdict"
)

const sources = "platforms/clusters/services/flux-sources/"

// keyed makes an age key and generates a repo from a blueprint, encrypted for the key.
func keyed(t *testing.T, blueprint string) (dir, key string) {
	t.Helper()
	key = filepath.Join(t.TempDir(), "age.agekey")
	if r := command(t, nil, "secrets", "keygen", key); r.code != 0 || !strings.HasPrefix(r.stdout, "age1") || strings.Contains(r.stderr+r.stdout, "AGE-SECRET-KEY") {
		t.Fatalf("keygen: %+v", r)
	}
	return generated(t, "--blueprint", blueprint, "--age-key", key), key
}

func fullBlueprint() string { return filepath.Join(root, "fixtures", "blueprints", "full.yaml") }

// edit replaces text in a generated file.
func edit(t *testing.T, dir, file, old, text string) {
	t.Helper()
	name := filepath.Join(dir, sources, file)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		t.Fatalf("%s has no %q:\n%s", file, old, b)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(b), old, text, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The limit is a minute on two idle cores; other packages' tests run beside this one.
func TestFullCataloguePasses(t *testing.T) {
	t.Parallel()
	dir, key := keyed(t, fullBlueprint())
	start := time.Now()
	r := verify(t, dir, "--age-key", key, "--keep")
	if took := time.Since(start); took > 2*time.Minute {
		t.Errorf("took %s", took)
	}
	kubeconfig := kept(t, r)
	passes(t, r)
	if len(r.report.Findings) > 0 {
		t.Errorf("findings %+v", r.report.Findings)
	}
	// Flux drops fields that a kind does not have; with strict validation, the API
	// server reports them.
	for _, file := range below(t, filepath.Join(dir, "platforms")) {
		strict(t, kubeconfig, file)
	}
	// All images of the cluster are pulled through the proxy of their registry, but for those that
	// the repo lists with the reason.
	through := map[string]int{}
	for _, image := range images(t, kubeconfig) {
		proxy, _, _ := strings.Cut(strings.TrimPrefix(image, "harbor.platform.my-domain.com/"), "/")
		through[proxy]++
	}
	if through["docker.gitea.com"] == 0 {
		t.Error("no image is pulled directly, and one is to be")
	}
	for proxy := range through {
		if !slices.Contains([]string{"dh-proxy", "quay-proxy", "ghcr-proxy", "k8s-proxy", "gitlab-proxy", "docker.gitea.com"}, proxy) {
			t.Errorf("images are pulled through %s", proxy)
		}
	}
	declares(t, filepath.Join(dir, sources, "cluster-essentials", "cluster-essentials.yaml"), "docker.gitea.com/gitea: registryProxy names no proxy of docker.gitea.com")
	if got := fmt.Sprint(r.report.Assumptions); !strings.Contains(got, "enforce restricted (flavour tkg-2)") {
		t.Errorf("assumptions %q", got)
	}
	// A namespace without a label enforces restricted, so each label counts.
	if !strings.Contains(namespaceLabels(t, kubeconfig, "gitea"), "baseline") || !strings.Contains(namespaceLabels(t, kubeconfig, "tanzu-system-ingress"), "privileged") {
		t.Error("the namespaces lack their labels")
	}
}

// declares fails if a file does not hold a text.
func declares(t *testing.T, file, text string) {
	t.Helper()
	if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), text) {
		t.Errorf("%s: %v: no %q", file, err, text)
	}
}

// Each service of the catalogue is broken in one place, and a rehearsal finds the
// problem with the right code and object.
func TestEachServiceBrokenIsFound(t *testing.T) {
	t.Parallel()
	dir, key := keyed(t, fullBlueprint())
	breaks := []struct {
		service, file, old, new string
		code                    finding.Code
		object                  string
	}{
		// A key that the Secret does not have.
		{"nexus", "helm/nexus.yaml", "key: password", "key: passwrd", finding.SecretKeyMissing, "HelmRelease/nexus/nexus"},
		{"gitlab", "helm/gitlab.yaml", "key: default", "key: redis-password", finding.SecretKeyMissing, "HelmRelease/gitlab/gitlab"},
		{"keycloak", "helm/keycloak.yaml", "existingSecretKey: password", "existingSecretKey: pw", finding.SecretKeyMissing, "HelmRelease/keycloak/keycloak"},
		{"thanos", "helm/thanos.yaml", "key: objstore.yml", "key: objstore.yaml", finding.SecretKeyMissing, "HelmRelease/monitoring/thanos"},
		{"grafana", "helm/grafana.yaml", "passwordKey: admin-password", "passwordKey: admin-pass", finding.SecretKeyMissing, "HelmRelease/monitoring/grafana"},
		{"minio", "helm/minio.yaml", "existingSecretPasswordKey: password", "existingSecretPasswordKey: rootPassword", finding.SecretKeyMissing, "HelmRelease/minio/minio"},
		{"postgresql", "helm/harbor-postgresql.yaml", "secretKey: USERDB_USER", "secretKey: USERDB_NAME", finding.SecretKeyMissing, "HelmRelease/harbor/harbor-postgresql"},
		// A Secret that does not exist.
		{"openldap", "helm/openldap.yaml", "existingSecret: openldap-credentials", "existingSecret: openldap-credential", finding.SecretKeyMissing, "HelmRelease/openldap/openldap"},
		{"valkey", "helm/gitlab-valkey.yaml", "usersExistingSecret: gitlab-valkey", "usersExistingSecret: gitlab-valky", finding.SecretKeyMissing, "HelmRelease/gitlab/gitlab-valkey"},
		// A route that leads nowhere.
		{"harbor", "helm-post/harbor.yaml", "port: 80", "port: 8080", finding.BackendNotFound, "HTTPProxy/harbor/harbor"},
		{"prometheus", "helm-post/prometheus.yaml", "name: prometheus-prometheus", "name: prometheus-promtheus", finding.BackendNotFound, "HTTPProxy/monitoring/prometheus"},
		{"vault", "helm-post/vault.yaml", "port: 8200", "port: 443", finding.BackendNotFound, "HTTPProxy/vault/vault"},
		// A value that the chart does not read.
		{"jenkins", "helm/jenkins.yaml", "installLatestPlugins", "installLatestPlugin", finding.UnknownValue, "HelmRelease/jenkins/jenkins"},
		{"trivy", "helm/trivy.yaml", "existingSecret:", "existingSecrt:", finding.UnknownValue, "HelmRelease/trivy/trivy"},
		// A release that does not wait for its database.
		{"gitea", "helm/gitea.yaml", "  dependsOn:\n  - name: gitea-postgresql\n    namespace: gitea\n", "", finding.MissingDependency, "HelmRelease/gitea/gitea"},
		{"sonarqube", "helm/sonarqube.yaml", "  - name: sonarqube-postgresql\n    namespace: sonarqube\n", "", finding.MissingDependency, "HelmRelease/sonarqube/sonarqube"},
	}
	for _, b := range breaks {
		edit(t, dir, b.file, b.old, b.new)
	}
	r := verify(t, dir, "--age-key", key)
	if r.code != 1 || r.report.Verdict != verdict.Fail {
		t.Errorf("exit %d, verdict %q", r.code, r.report.Verdict)
	}
	for _, b := range breaks {
		found := slices.ContainsFunc(r.report.Findings, func(f finding.Finding) bool {
			return f.Code == b.code && f.Object == b.object && f.File == sources+b.file && f.Line > 0 && f.Fix != ""
		})
		if !found {
			t.Errorf("%s: no %s of %s at %s", b.service, b.code, b.object, b.file)
		}
	}
	for _, layer := range []string{"helm", "helm-post"} {
		i := slices.IndexFunc(r.report.Layers, func(l report.Layer) bool { return l.Name == layer })
		if r.report.Layers[i].Status != "failed" {
			t.Errorf("layer %s: %s", layer, r.report.Layers[i].Status)
		}
	}
	about := map[string]bool{} // a Secret without a key is told for each workload that reads it
	for _, f := range r.report.Findings {
		about[string(f.Code)+f.Object] = true
	}
	if len(about) > len(breaks)+2 {
		t.Errorf("%d findings for %d breaks: %+v", len(r.report.Findings), len(breaks), r.report.Findings)
	}
}

// A package can't be installed without its service account, or without one of the
// account's rights.
func TestBrokenPackagesAreFound(t *testing.T) {
	t.Parallel()
	dir, key := keyed(t, filepath.Join(root, "fixtures", "blueprints", "sample.yaml"))
	edit(t, dir, "kapp/cert-manager.yaml", "serviceAccountName: cert-manager-package", "serviceAccountName: cert-manager-pkg")
	edit(t, dir, "kapp-prereqs/contour-rbac.yaml", "resources: [deployments, daemonsets]", "resources: [deployments]")
	r := verify(t, dir, "--age-key", key)
	for _, name := range []string{"cert-manager", "contour"} {
		if !slices.ContainsFunc(r.report.Findings, func(f finding.Finding) bool {
			return f.Code == finding.PackageRBAC && f.Object == "PackageInstall/tkg-system/"+name && f.File == sources+"kapp/"+name+".yaml"
		}) {
			t.Errorf("%s: got %+v", name, r.report.Findings)
		}
	}
}

// smallBlueprint asks for one service without packages: the quickest to rehearse.
func smallBlueprint(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "seatrial.yaml")
	text := "apiVersion: seatrial.dev/v1alpha1\nkind: Blueprint\nservices:\n  trivy: {exposed: false}\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// The old key reads the repo before a rotation, the new one after it, and a
// rehearsal passes with the right one each time.
func TestKeyRotationEndToEnd(t *testing.T) {
	t.Parallel()
	dir, old := keyed(t, smallBlueprint(t))
	if r := verify(t, dir, "--age-key", old); r.code != 0 {
		t.Fatal(r.stderr)
	}
	next := filepath.Join(t.TempDir(), "next.agekey")
	recipient := strings.TrimSpace(command(t, nil, "secrets", "keygen", next).stdout)
	for _, step := range [][]string{
		{"secrets", "edit-recipients", dir, "--age-key", old, "--recipient", recipient},
		{"secrets", "rotate", dir, "--age-key", next, "--recipient", recipient},
	} {
		if r := command(t, nil, step...); r.code != 0 {
			t.Fatal(r.stderr)
		}
	}
	rules := filepath.Join(dir, ".sops.yaml")
	b, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		if before, _, ok := strings.Cut(line, "age: "); ok {
			b = []byte(strings.Replace(string(b), line, before+"age: "+recipient, 1))
		}
	}
	if err := os.WriteFile(rules, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if r := command(t, nil, "secrets", "audit", dir, "--age-key", next); r.code != 0 {
		t.Errorf("audit after the rotation: %s", r.stdout)
	}
	if r := verify(t, dir, "--age-key", next); r.code != 0 {
		t.Errorf("with the new key: %s", r.stderr)
	}
	r := verify(t, dir, "--age-key", old)
	if r.code != 1 || !slices.ContainsFunc(r.report.Findings, func(f finding.Finding) bool { return f.Code == finding.SOPSRecipient }) {
		t.Errorf("with the old key: exit %d, %+v", r.code, r.report.Findings)
	}
}

// A secret value occurs only in its encrypted file: not in what a rehearsal prints or
// reports, not in the arguments or environment of any of its processes, and in no other file.
func TestSecretValuesShowNowhere(t *testing.T) {
	const canary = "canary-7f1b9c0e5d"
	dir, key := keyed(t, smallBlueprint(t))
	secret := filepath.Join(dir, sources, "secrets", "canary.yaml")
	text := "apiVersion: v1\nkind: Secret\nmetadata:\n  name: canary\n  namespace: trivy\nstringData:\n  value: " + canary + "\n"
	if err := os.WriteFile(secret, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := command(t, nil, "secrets", "encrypt", secret); r.code != 0 {
		t.Fatal(r.stderr)
	}
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	keyText, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(keyText)), "\n")
	needles := []string{canary, lines[len(lines)-1]}
	done := make(chan run)
	go func() { done <- verify(t, dir, "--age-key", key) }()
	var r run
	for looking := true; looking; {
		select {
		case r = <-done:
			looking = false
		case <-time.After(100 * time.Millisecond):
			shown(t, needles, proc(t)...)
		}
	}
	if r.code != 0 {
		t.Fatal(r.stderr)
	}
	for _, needle := range needles {
		if strings.Contains(r.stdout+r.stderr, needle) {
			t.Error("a secret was printed")
		}
	}
	report, err := filepath.Glob(filepath.Join(temporary, "*", "*", "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	shown(t, needles, append(report, below(t, dir, temporary)...)...)
}

// shown fails if a file holds one of some texts.
func shown(t *testing.T, needles []string, files ...string) {
	t.Helper()
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // a process that has ended
		}
		for _, needle := range needles {
			if strings.Contains(string(b), needle) {
				t.Errorf("%s holds a secret", file)
			}
		}
	}
}

// proc returns the arguments and environments of all processes.
func proc(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, name := range []string{"cmdline", "environ"} {
		files, err := filepath.Glob("/proc/[0-9]*/" + name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, files...)
	}
	return out
}

// below returns all regular files below some folders.
func below(t *testing.T, dirs ...string) []string {
	t.Helper()
	var out []string
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				out = append(out, name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// On a generic cluster, the repo installs kapp-controller and secretgen-controller,
// here from given files, and later layers wait until they run.
func TestGenericClusterBringsItsEssentials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"kapp-controller", "secretgen-controller"} {
		text := strings.ReplaceAll(`apiVersion: v1
kind: Namespace
metadata: {name: NAME}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: NAME, image: "ghcr.io/carvel-dev/NAME:v0.0.0"}]}
`, "NAME", name)
		if err := os.WriteFile(filepath.Join(dir, name+".yml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	blueprint := filepath.Join(dir, "seatrial.yaml")
	text := "apiVersion: seatrial.dev/v1alpha1\nkind: Blueprint\nflavour: generic\nservices:\n  trivy: {exposed: false}\n" +
		"clusterEssentials:\n  kappController: {file: kapp-controller.yml}\n  secretgenController: {file: secretgen-controller.yml}\n"
	if err := os.WriteFile(blueprint, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	repo, key := keyed(t, blueprint)
	r := verify(t, repo, "--age-key", key)
	i := slices.IndexFunc(r.report.Layers, func(l report.Layer) bool { return l.Name == "cluster-essentials" })
	if r.code != 0 || i < 0 || r.report.Layers[i].Objects != 5 {
		t.Errorf("exit %d, layers %+v", r.code, r.report.Layers)
	}
}
