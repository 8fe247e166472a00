package generate

import (
	"regexp"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/blueprint"
)

// The pages of a repo speak of what is in it: each service that people sign on to, what it
// trusts, and each image that goes past a proxy.
func TestPagesOfTheRepo(t *testing.T) {
	b := full(t)
	files := render(t, b)
	signOn := string(files["docs/sign-on.md"].Data)
	for name := range b.Services {
		if name != "cert-manager" && name != "contour" && !regexp.MustCompile(`(?mi)^\|[^|]*`+name).MatchString(signOn) {
			t.Errorf("sign-on.md does not speak of %s", name)
		}
	}
	for _, m := range regexp.MustCompile("Secret `([a-z-]+)/([a-z-]+)`").FindAllStringSubmatch(signOn, -1) {
		held := false
		for name, f := range files {
			held = held || f.Secret && strings.Contains(name, "/secrets/") && strings.Contains(string(f.Data), "name: "+m[2]+"\n  namespace: "+m[1]+"\n")
		}
		if !held {
			t.Errorf("sign-on.md names the Secret %s/%s, which is nowhere", m[1], m[2])
		}
	}
	if vault := string(files["docs/vault.md"].Data); !strings.Contains(vault, "pki/config/ca pem_bundle=-") || strings.Contains(vault, "generate/internal") || !strings.Contains(vault, "require_cn=false") {
		t.Error("Vault would sign with an authority that nobody trusts")
	}
	if proxy := string(files["docs/registry-proxy.md"].Data); !strings.Contains(proxy, "| `docker.gitea.com/gitea` |") {
		t.Error(proxy)
	}
	for name, f := range files {
		if strings.HasPrefix(name, "docs/") && (strings.Contains(string(f.Data), "[[") || strings.Contains(string(f.Data), "<no value>") || strings.Contains(string(f.Data), "\n\n\n")) {
			t.Errorf("%s:\n%s", name, f.Data)
		}
	}
	alone := render(t, blueprint.Default())
	for _, page := range []string{"docs/sign-on.md", "docs/registry-proxy.md", "docs/vault.md"} {
		if _, written := alone[page]; written {
			t.Errorf("%s says nothing of the sample", page)
		}
	}
	if readme := string(alone["README.md"].Data); !strings.Contains(readme, "point `*.services.my-domain.com` at Contour") || strings.Contains(readme, "docs/") {
		t.Error(readme)
	}
}
