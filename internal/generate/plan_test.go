package generate

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/policy"
	"seatrial.dev/seatrial/internal/secrets"
)

// repo is a generated folder, with its key.
type repo struct {
	t   *testing.T
	dir string
	key *secrets.Key
}

func newRepo(t *testing.T) *repo {
	t.Helper()
	key, err := secrets.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return &repo{t: t, dir: t.TempDir(), key: key}
}

// plan renders b over the folder; withKey says whether the credentials in use can be read.
func (r *repo) plan(b *blueprint.Blueprint, withKey, fresh bool) (*Plan, error) {
	r.t.Helper()
	key := r.key
	if !withKey {
		key = nil
	}
	c, known, err := Earlier(r.dir, key)
	if err != nil {
		r.t.Fatal(err)
	}
	switch {
	case c == nil:
		c = NewCredentials()
	case fresh:
		c = c.Rotated()
	}
	files, err := Render(b, c, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	p, err := MakePlan(r.dir, files, Terms{Recipients: r.key.Recipients(), Key: key, Known: known, Fresh: fresh})
	if err == nil {
		r.t.Cleanup(p.Close)
	}
	return p, err
}

func (r *repo) apply(b *blueprint.Blueprint, withKey bool) *Plan {
	r.t.Helper()
	p, err := r.plan(b, withKey, false)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := p.Apply(); err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *repo) read(name string) string {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

func (r *repo) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *repo) decrypt(name string) string {
	r.t.Helper()
	plain, err := secrets.Decrypt([]byte(r.read(name)), r.key)
	if err != nil {
		r.t.Fatal(name, err)
	}
	return string(plain)
}

const (
	sources      = "platforms/clusters/services/flux-sources/"
	harborSecret = sources + "secrets/harbor.yaml"
	harborChart  = sources + "helm/harbor.yaml"
)

func changed(p *Plan) []string {
	var out []string
	for _, c := range p.Changes {
		out = append(out, c.Path)
	}
	return out
}

func TestGeneratingAgainChangesNothing(t *testing.T) {
	r := newRepo(t)
	r.apply(blueprint.Default(), true)
	for _, withKey := range []bool{true, false} {
		if p := r.apply(blueprint.Default(), withKey); len(p.Changes) > 0 || len(p.Kept) > 0 || len(p.Diff()) > 0 {
			t.Errorf("with key %v: changes %v, kept %v", withKey, changed(p), p.Kept)
		}
	}
}

func TestCredentialsInUseAreKept(t *testing.T) {
	r := newRepo(t)
	r.apply(blueprint.Default(), true)
	before, chart := r.decrypt(harborSecret), r.read(harborSecret)
	b := blueprint.Default()
	b.Services["keycloak"] = &blueprint.Service{} // this also changes harbor's Secret, which gets an OIDC client
	if _, err := r.plan(b, false, false); !errors.Is(err, ErrKeyNeeded) {
		t.Fatalf("without the key: %v", err)
	}
	if r.read(harborSecret) != chart {
		t.Fatal("a refused plan changed the folder")
	}
	r.apply(b, true)
	after := r.decrypt(harborSecret)
	for line := range strings.Lines(before) {
		if strings.Contains(line, "PASSWORD:") && !strings.Contains(after, line) {
			t.Errorf("a credential in use was lost")
		}
	}
	if !strings.Contains(after, "oidc_client_secret") {
		t.Error("the new one is missing")
	}
	realm := r.decrypt(sources + "secrets/keycloak.yaml")
	_, rest, _ := strings.Cut(after, `oidc_client_secret":"`)
	client, _, _ := strings.Cut(rest, `"`)
	if client == "" || !strings.Contains(realm, client) {
		t.Error("harbor and keycloak don't share the client's secret")
	}
}

func TestRotationDrawsAllAnew(t *testing.T) {
	r := newRepo(t)
	r.apply(blueprint.Default(), true)
	before := r.decrypt(harborSecret)
	p, err := r.plan(blueprint.Default(), true, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Apply(); err != nil {
		t.Fatal(err)
	}
	if r.decrypt(harborSecret) == before {
		t.Error("the old credentials are still there")
	}
}

func TestEditsSurviveOrAreRefusedByName(t *testing.T) {
	r := newRepo(t)
	r.apply(blueprint.Default(), true)
	edited := r.read(harborChart) + "    logLevel: debug # mine\n"
	r.write(harborChart, edited)
	r.write(sources+"helm/mine.yaml", "# my own file\n")
	if p := r.apply(blueprint.Default(), true); !slices.Equal(p.Kept, []string{harborChart}) {
		t.Errorf("kept %v", p.Kept)
	}
	if r.read(harborChart) != edited {
		t.Fatal("the edit was overwritten")
	}
	b := blueprint.Default()
	b.Domain = "other.example.org" // changes that file, and others
	if _, err := r.plan(b, true, false); err == nil || !strings.HasSuffix(err.Error(), "overwritten: "+harborChart) || hint.Of(err) == "" {
		t.Fatalf("got %v", err)
	}
	if r.read(harborChart) != edited || strings.Contains(r.read("README.md"), "other.example.org") {
		t.Error("a refused generation wrote something")
	}
}

func TestOwnFilesInTheWayAreRefusedByName(t *testing.T) {
	r := newRepo(t)
	if err := os.Mkdir(filepath.Join(r.dir, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.write("README.md", "# mine\n")
	if _, err := r.plan(blueprint.Default(), true, false); err == nil || !strings.HasSuffix(err.Error(), "overwritten: README.md") {
		t.Errorf("got %v", err)
	}
}

// What a repo declares of its own rehearsal is its owner's, and stays; a blueprint with a policy says whose file it is.
func TestDeclarationOfTheOwnerStays(t *testing.T) {
	r := newRepo(t)
	r.apply(blueprint.Default(), true)
	const declared = "apiVersion: seatrial.dev/v1alpha1\nkind: Rehearsal\npodSecurity: baseline\n"
	r.write(policy.File, declared)
	r.apply(blueprint.Default(), true)
	b := blueprint.Default()
	delete(b.Services, "harbor")
	r.apply(b, true)
	if got := r.read(policy.File); got != declared {
		t.Errorf("got %s", got)
	}
	b.Promotion = &policy.Promotion{}
	if _, err := r.plan(b, true, false); err == nil || !strings.HasSuffix(err.Error(), "overwritten: "+policy.File) || r.read(policy.File) != declared {
		t.Errorf("got %v", err)
	}
}

// A policy that was copied from the blueprint may be completed by hand.
func TestDeclarationBesideAPolicyStays(t *testing.T) {
	r := newRepo(t)
	b := blueprint.Default()
	b.Promotion = &policy.Promotion{Targets: map[string]*policy.Target{}}
	r.apply(b, true)
	if got := r.read(policy.File); strings.Contains(got, "clusters") || strings.Contains(got, "accept: []") {
		t.Errorf("what is not declared is written: %s", got)
	}
	edited := r.read(policy.File) + "podSecurity: baseline\n"
	r.write(policy.File, edited)
	if p := r.apply(b, true); !slices.Equal(p.Kept, []string{policy.File}) || r.read(policy.File) != edited {
		t.Errorf("kept %v", p.Kept)
	}
}

func TestLinksAreNotWrittenThrough(t *testing.T) {
	r := newRepo(t)
	r.apply(blueprint.Default(), true)
	target := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(r.dir, harborChart)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(r.dir, harborChart)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.plan(blueprint.Default(), true, false); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoLongerNeededGoes(t *testing.T) {
	r := newRepo(t)
	r.apply(blueprint.Default(), true)
	b := blueprint.Default()
	delete(b.Services, "harbor")
	r.write(sources+"helm-post/harbor.yaml", r.read(sources+"helm-post/harbor.yaml")+"# mine\n")
	p := r.apply(b, true)
	if _, err := os.Stat(filepath.Join(r.dir, harborChart)); !errors.Is(err, os.ErrNotExist) {
		t.Error("harbor's release is still there")
	}
	if !slices.Equal(p.Kept, []string{sources + "helm-post/harbor.yaml"}) {
		t.Errorf("kept %v", p.Kept)
	}
	if strings.Contains(r.decrypt(credentialsFile), "harbor/admin") {
		t.Error("its credentials are still recorded")
	}
}

func TestForeignFolderIsRefused(t *testing.T) {
	r := newRepo(t)
	r.write("precious.txt", "mine")
	if _, err := r.plan(blueprint.Default(), true, false); err == nil || !strings.Contains(err.Error(), "precious.txt") {
		t.Errorf("got %v", err)
	}
}

// Data that Harbor has encrypted must stay readable after a rotation.
func TestEncryptionKeysSurviveRotation(t *testing.T) {
	r := newRepo(t)
	r.apply(blueprint.Default(), true)
	key := func() string {
		_, rest, _ := strings.Cut(r.decrypt(harborSecret), "secretKey: ")
		value, _, _ := strings.Cut(rest, "\n")
		return value
	}
	before := key()
	p, err := r.plan(blueprint.Default(), true, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Apply(); err != nil {
		t.Fatal(err)
	}
	if after := key(); len(after) != 16 || after != before {
		t.Error("the encryption key is another one")
	}
}

// A file that was only re-keyed is not taken for one that was edited by hand.
func TestRekeyedFilesAreStillGenerated(t *testing.T) {
	r := newRepo(t)
	r.apply(blueprint.Default(), true)
	for _, name := range []string{harborSecret, credentialsFile} {
		b, err := secrets.Rotate([]byte(r.read(name)), r.key, r.key.Recipients())
		if err != nil {
			t.Fatal(err)
		}
		r.write(name, string(b))
	}
	b := blueprint.Default()
	b.Services["keycloak"] = &blueprint.Service{}
	if p := r.apply(b, true); len(p.Kept) > 0 {
		t.Errorf("kept %v", p.Kept)
	}
	if !strings.Contains(r.decrypt(harborSecret), "oidc_client_secret") {
		t.Error("the re-keyed file was not brought up to date")
	}
}

// An interrupted generation can be repeated.
func TestInterruptedGenerationCanBeRepeated(t *testing.T) {
	r := newRepo(t)
	p, err := r.plan(blueprint.Default(), true, false)
	if err != nil {
		t.Fatal(err)
	}
	all := p.Changes
	p.Changes = append(slices.Clone(all[:len(all)/2]), Change{Path: "a/folder/that/is/not/there", Old: []byte("x")})
	if err := p.Apply(); err == nil {
		t.Fatal("it was not cut off")
	}
	if again := r.apply(blueprint.Default(), true); len(again.Changes) == 0 {
		t.Error("nothing was left to do")
	}
	if last := r.apply(blueprint.Default(), true); len(last.Changes) > 0 || len(last.Kept) > 0 {
		t.Errorf("then: changes %v, kept %v", changed(last), last.Kept)
	}
}

// Nothing outside the folder is read, written or removed.
func TestNothingOutsideTheFolderIsTouched(t *testing.T) {
	r := newRepo(t)
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(r.dir, "platforms")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(r.dir, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := r.plan(blueprint.Default(), true, false)
	if err == nil {
		err = p.Apply()
	}
	if err == nil {
		t.Error("it wrote through a link")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("%v %v", entries, err)
	}
	other := newRepo(t)
	other.apply(blueprint.Default(), true)
	other.write(stateFile, `{"files": {"../victim": {"sha256": "0"}}}`)
	if _, err := other.plan(blueprint.Default(), true, false); err == nil || !strings.Contains(err.Error(), "outside the repo") {
		t.Errorf("got %v", err)
	}
}
