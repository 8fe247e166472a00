package redirect

import (
	"strings"
	"testing"
	"testing/fstest"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/standin"
)

// load reads a repo whose own GitRepository leads to production.
func load(t *testing.T) *gitops.Repo {
	t.Helper()
	r, err := gitops.Load(fstest.MapFS{"c/sync.yaml": {Data: []byte(`apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {url: "ssh://git@git.example.com/fleet"}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: other, namespace: flux-system}
spec: {url: "https://git.example.com/other"}
`)}}, "c")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The repo's own GitRepository is redirected to the rehearsed tree, whether it is known by its
// name or by its URL, and whatever credentials it has. Other repositories stay as they are.
func TestGitPolicy(t *testing.T) {
	p := gitPolicy(Options{Repo: load(t), GitURL: "http://127.0.0.1:1/repo.git", GitSecret: "rehearsal"})
	for _, want := range []string{`object.spec.url != "http://127.0.0.1:1/repo.git"`, `object.spec.url in ["ssh://git@git.example.com/fleet"]`, `object.metadata.name == "flux-system"`} {
		if !strings.Contains(p.When, want) {
			t.Errorf("no %s in %s", want, p.When)
		}
	}
	for _, want := range []string{`secretRef{name: "rehearsal"}`, `path: "/spec/verify"`, `path: "/spec/proxySecretRef"`, `path: "/spec/provider"`, `ref{branch: `} {
		if !strings.Contains(p.Patch, want) {
			t.Errorf("no %s in %s", want, p.Patch)
		}
	}
	if without := gitPolicy(Options{Repo: load(t), GitURL: "http://127.0.0.1:1/repo.git"}); !strings.Contains(without.Patch, `op: "remove", path: "/spec/secretRef"`) {
		t.Errorf("production's credentials stay: %s", without.Patch)
	}
}

// A source is redirected however the repo writes its address.
func TestSourcePolicy(t *testing.T) {
	for _, c := range []struct {
		served      standin.Served
		resource    string
		when, patch []string
	}{
		{standin.Served{Kind: "HelmRepository", Upstream: "https://a", Spellings: []string{"https://a", "https://a/"}, URL: "http://here/"},
			"helmrepositories", []string{`object.spec.url in ["https://a", "https://a/"]`}, []string{`path: "/spec/url", value: "http://here/"`}},
		{standin.Served{Kind: "HelmRepository", Upstream: "oci://a", Spellings: []string{"oci://a"}, URL: "oci://here", Insecure: true},
			"helmrepositories", []string{`object.spec.url in ["oci://a"]`}, []string{`path: "/spec/insecure", value: true`}},
		{standin.Served{Kind: "PackageRepository", Upstream: "a:1", Spellings: []string{"a:1"}, URL: "here:1"},
			"packagerepositories", []string{"has(object.spec.fetch.imgpkgBundle)", `.image in ["a:1"]`}, []string{`path: "/spec/fetch/imgpkgBundle/image", value: "here:1"`}},
	} {
		p := sourcePolicy(c.served)
		if p.Resource != c.resource {
			t.Errorf("got %s, want %s", p.Resource, c.resource)
		}
		for _, want := range c.when {
			if !strings.Contains(p.When, want) {
				t.Errorf("no %s in %s", want, p.When)
			}
		}
		for _, want := range c.patch {
			if !strings.Contains(p.Patch, want) {
				t.Errorf("no %s in %s", want, p.Patch)
			}
		}
	}
}
