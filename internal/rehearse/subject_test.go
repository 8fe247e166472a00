package rehearse

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/redact"
	"seatrial.dev/seatrial/internal/secrets"
)

const layerYAML = `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: secrets, namespace: flux-system}
spec:
  interval: 10m
  prune: true
  path: ./secrets
  sourceRef: {kind: GitRepository, name: flux-system}
  decryption: {provider: sops, secretRef: {name: sops-age}}
`

// files makes a folder with the given files.
func files(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// taken takes a snapshot of a folder, and returns the options of its subject.
func taken(t *testing.T, dir string) SubjectOptions {
	t.Helper()
	s, err := gitrepo.Take(t.Context(), dir, filepath.Join(t.TempDir(), "repo.git"), gitrepo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return SubjectOptions{Snapshot: s, Dir: filepath.Join(t.TempDir(), "tree")}
}

// encrypted returns a Secret that SOPS has encrypted, and its key.
func encrypted(t *testing.T) (string, *secrets.Key) {
	t.Helper()
	key, err := secrets.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := secrets.Encrypt([]byte("apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: web}\nstringData: {password: hunter2-hunter2}\n"), key.Recipients(), "^(data|stringData)$")
	if err != nil {
		t.Fatal(err)
	}
	return string(b), key
}

func TestSubjectWithItsKeyIsTheTree(t *testing.T) {
	secret, key := encrypted(t)
	o := taken(t, files(t, map[string]string{"clusters/a/layers.yaml": layerYAML, "secrets/s.yaml": secret}))
	o.Key = key
	var told *redact.Set
	read := false
	o.Known, o.Read = func(known *redact.Set) { told = known }, func() { read = true }
	s, err := NewSubject(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if s.Tree != o.Snapshot.Tree || s.Commit != o.Snapshot.Commit || s.Snapshot != o.Snapshot || len(s.Rekeyed) > 0 || s.Key != key || s.Repo.Path != "clusters/a" {
		t.Errorf("got %+v", s)
	}
	if told != s.Known || !read || s.Known.Text("it is hunter2-hunter2") == "it is hunter2-hunter2" {
		t.Error("the decrypted value is not known")
	}
}

// Without a key, encrypted files are replaced by ones for a new key that exists in memory
// only. The subject's identity is still that of the tree in the repo.
func TestSubjectWithoutAKeyIsRekeyed(t *testing.T) {
	secret, theirs := encrypted(t)
	dir := files(t, map[string]string{"clusters/a/layers.yaml": layerYAML, "secrets/s.yaml": secret})
	o := taken(t, dir)
	s, err := NewSubject(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if s.Tree != o.Snapshot.Tree || s.Snapshot.Tree == s.Tree || s.Key == nil || len(s.BlindSpots) != 1 {
		t.Errorf("got %+v", s)
	}
	if len(s.Rekeyed) != 1 || s.Rekeyed[0].File != "secrets/s.yaml" || s.Rekeyed[0].Original == s.Rekeyed[0].Rehearsed || s.Rekeyed[0].Original != hash([]byte(secret)) {
		t.Errorf("got %+v", s.Rekeyed)
	}
	to := t.TempDir()
	if err := s.Snapshot.Export(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	remade, err := os.ReadFile(filepath.Join(to, "secrets", "s.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := secrets.Decrypt(remade, s.Key); err != nil || !strings.Contains(string(plain), "password:") || strings.Contains(string(plain), "hunter2") {
		t.Errorf("got %s, %v", plain, err)
	}
	if _, err := secrets.Decrypt(remade, theirs); err == nil {
		t.Error("the repo's key reads what was re-made")
	}
	// The folder is unchanged, and a snapshot of it would be the same as before.
	if again := taken(t, dir); again.Snapshot.Tree != s.Tree {
		t.Error("the repo was changed")
	}
}

// A file for a recipient that .sops.yaml does not name must not become readable.
func TestWrongRecipientIsNotRekeyed(t *testing.T) {
	secret, _ := encrypted(t)
	other, err := secrets.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSubject(t.Context(), taken(t, files(t, map[string]string{
		"clusters/a/layers.yaml": layerYAML, "secrets/s.yaml": secret, ".sops.yaml": "creation_rules:\n- age: " + other.Recipients()[0] + "\n",
	})))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Rekeyed) > 0 || s.Key == nil || s.Snapshot.Tree != s.Tree {
		t.Errorf("got %+v", s)
	}
	if !slices.ContainsFunc(s.Static, func(f finding.Finding) bool { return f.Code == finding.SOPSRecipient }) {
		t.Errorf("got %+v", s.Static)
	}
}

func TestSubjectThatIsTooLarge(t *testing.T) {
	secret, _ := encrypted(t)
	deep := strings.Repeat("[", 500) + strings.Repeat("]", 500)
	s, err := NewSubject(t.Context(), taken(t, files(t, map[string]string{
		"clusters/a/layers.yaml": layerYAML, "secrets/s.yaml": secret,
		"clusters/a/apps.yaml": strings.NewReplacer("name: secrets", "name: apps", "./secrets", "./apps").Replace(layerYAML), "apps/deep.yaml": "a: " + deep + "\n",
	})))
	if err != nil {
		t.Fatal(err)
	}
	if !s.TooLarge || len(s.Rekeyed) > 0 {
		t.Errorf("too large: %v, %+v", s.TooLarge, s.Static)
	}
}

func TestConcealedLogs(t *testing.T) {
	conceal := func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") }
	long := strings.Repeat("x", maxLog) + "hunter2\nthe end"
	for _, c := range []struct{ name, text, wantName, wantText string }{
		{"kapp.log", "it is hunter2", "kapp.log", "it is ***"},
		{"describe-Secret-hunter2.txt", "a", "describe-", "a"},
		{"hunter2.log", "a", "hunter2.log", "a"}, // only the names of describe- files can contain a secret value
		{"kapp.log", long, "kapp.log", "the end"},
	} {
		name, text := concealed(conceal, c.name, []byte(c.text))
		if !strings.HasPrefix(name, c.wantName) || strings.HasPrefix(name, "describe-") && strings.Contains(name, "hunter2") || string(text) != c.wantText {
			t.Errorf("%s: got %s, %.40q", c.name, name, text)
		}
	}
}

// Whatever Flux may decrypt is made anew, wherever it is: patches, what generators take, files outside of every layer's
// path. What no layer uses, and can't be read, is nobody's fault.
func TestEverySOPSFileIsRekeyed(t *testing.T) {
	secret, key := encrypted(t)
	kms := strings.Replace(secret, "sops:\n", "sops:\n    kms:\n        - arn: arn:aws:kms:eu-west-1:000000000000:key/0\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: AA==\n", 1)
	kms = kms[:strings.Index(kms, "    age:\n")] + kms[strings.Index(kms, "    encrypted_regex"):]
	tree := map[string]string{
		"clusters/a/layers.yaml": layerYAML, "secrets/kustomization.yaml": "resources: [s.yaml]\npatches: [{path: p.yaml}]\nsecretGenerator: [{name: g, files: [../shared/values.yaml]}]\n",
		"secrets/s.yaml": secret, "secrets/p.yaml": secret, "shared/values.yaml": secret, "elsewhere/kms.yaml": kms,
		"elsewhere/broken.yaml": "a: ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]\nsops:\n    mac: ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]\n",
	}
	for _, c := range []struct {
		key  *secrets.Key
		want string
	}{
		{nil, "elsewhere/kms.yaml secrets/p.yaml secrets/s.yaml shared/values.yaml"},
		{key, "elsewhere/kms.yaml"}, // only a key service opens it
	} {
		o := taken(t, files(t, tree))
		o.Key = c.key
		s, err := NewSubject(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range s.Rekeyed {
			got = append(got, r.File)
		}
		if strings.Join(got, " ") != c.want || len(s.Placeholders.All()) == 0 {
			t.Errorf("re-keyed %v, want %s", got, c.want)
		}
		if slices.ContainsFunc(s.Static, func(f finding.Finding) bool { return f.Code == finding.DecryptFailed }) {
			t.Errorf("got %+v", s.Static)
		}
		to := t.TempDir()
		if err := s.Snapshot.Export(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"secrets/s.yaml", "elsewhere/kms.yaml"} {
			b, err := os.ReadFile(filepath.Join(to, name))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Key.Open(name, b); err != nil {
				t.Errorf("the cluster's key does not open %s: %v", name, err)
			}
		}
	}
}
