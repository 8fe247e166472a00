// Package promotion promotes to a cluster that plays production, as a user does: with the built
// command, a Git server, and an embedded cluster that is a process of its own (test/production).
package promotion

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/promote"
	"seatrial.dev/seatrial/test/turn"
)

// The commands under test, and the project's folder.
var seatrial, plays, root string

func TestMain(m *testing.M) {
	code := 1
	err := turn.Wait()
	if err == nil {
		code, err = setUp(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func setUp(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "seatrial-promotion-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if root, err = filepath.Abs("../.."); err != nil {
		return 0, err
	}
	seatrial, plays = filepath.Join(dir, "seatrial"), filepath.Join(dir, "production")
	for _, args := range [][]string{
		{"go", "build", "-o", seatrial, "./cmd/seatrial"}, {"go", "build", "-o", plays, "./test/production"}, {seatrial, "engine", "build", "--flux"},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = root, os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return 0, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
		}
	}
	return m.Run(), nil
}

// world is a clone of a repo, its remote, and a cluster that is not bootstrapped.
type world struct {
	t *testing.T
	// dir holds repo (the clone), repo.git (the remote), the keys and the kubeconfig.
	dir, repo string
	path      string // the cluster's folder
	up        struct{ Kubeconfig, Git, Registry, Token, UID string }
	said      *shout
}

// shout is everything that the commands printed, for the search of canaries.
type shout struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (s *shout) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// small is a repo of three layers of plain objects.
func small(dir string) map[string]string {
	layer := func(name, depends string) string {
		return fmt.Sprintf("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: %s, namespace: flux-system}\nspec: {interval: 10m, prune: true, wait: true, timeout: 1m, path: ./%s, sourceRef: {kind: KIND, name: flux-system}%s}\n", name, name, depends)
	}
	return map[string]string{
		"clusters/a/layers.yaml": layer("one", "") + "---\n" + layer("two", ", dependsOn: [{name: one}]"),
		"one/ns.yaml":            "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n",
		"two/config.yaml":        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: web}\ndata: {a: \"1\"}\n",
	}
}

// newWorld makes a world of the sample's repo or of small, with delivery and more of the policy.
func newWorld(t *testing.T, sample bool, delivery, accept string, flags ...string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), path: "clusters/a", said: &shout{}}
	w.repo = filepath.Join(w.dir, "repo")
	if sample {
		w.path = "platforms/clusters/services/kustomizations"
		w.must("secrets", "keygen", filepath.Join(w.dir, "age.key"))
		w.must("generate", "--out", w.repo, "--age-key", filepath.Join(w.dir, "age.key"))
	} else {
		kind := "GitRepository"
		if strings.Contains(delivery, "oci") {
			kind = "OCIRepository"
		}
		for name, text := range small(w.repo) {
			w.write(name, strings.ReplaceAll(text, "KIND", kind))
		}
	}
	if !sample {
		flags = append(flags, "-pod-security", "")
	}
	w.play(flags)
	public := w.must("attest", "keygen", "--ecdsa", filepath.Join(w.dir, "sign.key"))
	w.write(".seatrial.yaml", fmt.Sprintf(`apiVersion: seatrial.dev/v1alpha1
kind: Rehearsal
promotion:
  evidence:
    keys:
      - |
        %s
    accept: {%s}
  targets:
    production:
      cluster: %s
      path: %s
      delivery: {%s}
`, strings.ReplaceAll(strings.TrimSpace(public), "\n", "\n        "), accept, w.up.UID, w.path, strings.ReplaceAll(delivery, "REGISTRY", w.up.Registry)))
	w.git("init", "-q", "-b", "main")
	w.git("remote", "add", "origin", w.up.Git)
	w.commit("first")
	return w
}

// play starts the cluster that plays production.
func (w *world) play(flags []string) {
	w.t.Helper()
	bare := filepath.Join(w.dir, "repo.git")
	if out, err := exec.Command("git", "init", "-q", "--bare", "-b", "main", bare).CombinedOutput(); err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(plays, append([]string{"-repo", w.repo, "-path", w.path, "-bare", bare, "-kubeconfig", filepath.Join(w.dir, "kubeconfig")}, flags...)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		stdin.Close()
		_, _ = io.Copy(io.Discard, stdout)
		_ = cmd.Wait()
	})
	if err := json.NewDecoder(stdout).Decode(&w.up); err != nil {
		w.t.Fatalf("production does not come up: %v\n%s", err, stderr.String())
	}
}

func (w *world) write(name, text string) {
	w.t.Helper()
	file := filepath.Join(w.repo, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// edit replaces a text in a file of the clone.
func (w *world) edit(name, from, to string) {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.repo, name))
	if err != nil {
		w.t.Fatal(err)
	}
	if !strings.Contains(string(b), from) {
		w.t.Fatalf("%s holds no %q:\n%s", name, from, b)
	}
	w.write(name, strings.ReplaceAll(string(b), from, to))
}

// git runs git in the clone, with the token for the remote.
func (w *world) git(args ...string) string {
	w.t.Helper()
	set := []string{"-c", "user.name=a", "-c", "user.email=a@b"}
	if w.up.Git != "" {
		set = append(set, "-c", "url."+strings.Replace(w.up.Git, "://", "://x:"+w.up.Token+"@", 1)+".insteadOf="+w.up.Git)
	}
	cmd := exec.Command("git", append(set, args...)...)
	cmd.Dir = w.repo
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (w *world) commit(message string) string {
	w.t.Helper()
	w.git("add", "-A")
	w.git("commit", "-q", "-m", message)
	return w.git("rev-parse", "HEAD")
}

// refs are those of the remote.
func (w *world) refs() string {
	w.t.Helper()
	out, err := exec.Command("git", "-C", filepath.Join(w.dir, "repo.git"), "for-each-ref").CombinedOutput()
	if err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// command prepares the command in the clone.
func (w *world) command(args ...string) *exec.Cmd {
	cmd := exec.Command(seatrial, args...)
	if _, err := os.Stat(w.repo); err == nil {
		cmd.Dir = w.repo
	} else {
		cmd.Dir = w.dir
	}
	cmd.Env = append(os.Environ(), "SEATRIAL_GIT_TOKEN="+w.up.Token, "KUBECONFIG="+w.up.Kubeconfig)
	return cmd
}

// must runs the command and returns its stdout.
func (w *world) must(args ...string) string {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := w.command(args...)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&stdout, w.said), io.MultiWriter(&stderr, w.said)
	if err := cmd.Run(); err != nil {
		w.t.Fatalf("seatrial %v: %v\n%s%s", args, err, stderr.String(), stdout.String())
	}
	return stdout.String()
}

// verify rehearses the clone, and keeps signed evidence with its commit.
func (w *world) verify(flags ...string) {
	w.t.Helper()
	args := append([]string{"verify", "--path", w.path, "--attest-notes", "--signing-key", filepath.Join(w.dir, "sign.key")}, flags...)
	if key := filepath.Join(w.dir, "age.key"); exists(key) {
		args = append(args, "--age-key", key)
	}
	w.must(args...)
}

func exists(file string) bool { _, err := os.Stat(file); return err == nil }

// promotion is a run of promote.
type promotion struct {
	code   int
	stderr string
	result promote.Result
}

// args are those of a promotion to production.
func (w *world) args(flags ...string) []string {
	args := append([]string{"promote", "--to", "production", "-o", "json", "--patience", "3s"}, flags...)
	if key := filepath.Join(w.dir, "age.key"); exists(key) {
		args = append(args, "--age-key", key)
	}
	return args
}

// promote promotes the clone's last commit.
func (w *world) promote(flags ...string) promotion {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := w.command(w.args(flags...)...)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&stdout, w.said), io.MultiWriter(&stderr, w.said)
	err := cmd.Run()
	p := promotion{code: cmd.ProcessState.ExitCode(), stderr: stderr.String()}
	if stdout.Len() == 0 {
		w.t.Logf("promote %v: %v\n%s", flags, err, stderr.String())
		return p
	}
	if err := json.Unmarshal(stdout.Bytes(), &p.result); err != nil {
		w.t.Fatalf("%v\n%s%s", err, stderr.String(), stdout.String())
	}
	return p
}

// expect promotes, and wants an outcome.
func (w *world) expect(want promote.Outcome, flags ...string) promotion {
	w.t.Helper()
	p := w.promote(flags...)
	if p.result.Outcome != want || (p.code == 0) != p.result.Passes() {
		b, err := json.MarshalIndent(p.result, "", " ")
		w.t.Fatalf("exit %d, outcome %q, want %q (%v)\n%s\n%.6000s", p.code, p.result.Outcome, want, err, p.stderr, b)
	}
	return p
}

// refused wants a promotion to be refused for a reason, and the remote to stay as it is.
func (w *world) refused(reason string, flags ...string) {
	w.t.Helper()
	before := w.refs()
	p := w.expect(promote.Refused, flags...)
	var said strings.Builder
	for _, r := range p.result.Reasons {
		fmt.Fprintf(&said, "%s (%s)\n", r.What, r.Fix)
		if r.Fix == "" {
			w.t.Errorf("no fix: %s", r.What)
		}
	}
	for _, f := range p.result.Preflight {
		fmt.Fprintf(&said, "%s %s: %s (%s)\n", f.Severity, f.Object, f.Message, f.Fix)
	}
	if !strings.Contains(said.String(), reason) {
		w.t.Errorf("refused, but not with %q:\n%s", reason, said.String())
	}
	if after := w.refs(); after != before {
		w.t.Errorf("%s: the remote changed\nfrom %s\nto %s", reason, before, after)
	}
}

// client connects to production.
func (w *world) client() *kube.Client {
	w.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", w.up.Kubeconfig)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := kube.New(config)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// apply applies a manifest on production, by hand.
func (w *world) apply(manifest string) {
	w.t.Helper()
	objects, err := kube.Decode([]byte(manifest))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.client().Apply(w.t.Context(), objects...); err != nil {
		w.t.Fatal(err)
	}
}

// setting reads a value of a ConfigMap on production.
func (w *world) setting(namespace, name, key string) string {
	w.t.Helper()
	r, err := w.client().Resource(kube.Object("v1", "ConfigMap", namespace, name, nil))
	if err != nil {
		w.t.Fatal(err)
	}
	o, err := r.Get(w.t.Context(), name, getOptions)
	if err != nil {
		return err.Error()
	}
	data, _ := o.Object["data"].(map[string]any)
	return fmt.Sprint(data[key])
}

// clean fails if a canary is in what was said, in the remote's commits and notes, or on the disk.
func (w *world) clean(canaries ...string) {
	w.t.Helper()
	out, err := exec.Command("git", "-C", filepath.Join(w.dir, "repo.git"), "log", "--all", "-p").CombinedOutput()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, canary := range canaries {
		if canary == "" {
			w.t.Fatal("an empty canary")
		}
		if strings.Contains(w.said.b.String(), canary) {
			w.t.Errorf("the canary %.12s… was printed", canary)
		}
		if bytes.Contains(out, []byte(canary)) {
			w.t.Errorf("the canary %.12s… is in Git", canary)
		}
	}
	for _, pattern := range []string{"/tmp/seatrial-[0-9]*", "/dev/shm/seatrial-[0-9]*", "/tmp/flux-*", "/tmp/*bootstrap*"} {
		if left, err := filepath.Glob(pattern); err != nil || len(left) > 0 {
			w.t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

// key reads a file of the world.
func (w *world) key(name string) string {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "-----") {
			return line
		}
	}
	w.t.Fatalf("%s holds no key", name)
	return ""
}

// kubeconfigOf writes a kubeconfig of a ServiceAccount.
func (w *world) kubeconfigOf(namespace, name string) string {
	w.t.Helper()
	token, err := w.client().Typed.CoreV1().ServiceAccounts(namespace).CreateToken(w.t.Context(), name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	config, err := clientcmd.LoadFromFile(w.up.Kubeconfig)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, user := range config.AuthInfos {
		user.ClientCertificateData, user.ClientKeyData, user.Token = nil, nil, token.Status.Token
	}
	file := filepath.Join(w.dir, name+".kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		w.t.Fatal(err)
	}
	return file
}

// secretValues are the values of production's Secrets that the repo brings, decrypted.
func (w *world) secretValues(namespaces ...string) []string {
	w.t.Helper()
	var out []string
	for _, ns := range namespaces {
		list, err := w.client().Typed.CoreV1().Secrets(ns).List(w.t.Context(), metav1.ListOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, s := range list.Items {
			if s.Labels["kustomize.toolkit.fluxcd.io/name"] != "secrets" {
				continue
			}
			for _, value := range s.Data {
				if len(value) >= 12 {
					out = append(out, string(value))
				}
			}
		}
	}
	if len(out) < 4 {
		w.t.Errorf("only %d secret values", len(out))
	}
	return out
}

var (
	getOptions    = metav1.GetOptions{}
	deleteOptions = metav1.DeleteOptions{}
)

func sprint(v any) string { return fmt.Sprint(v) }
