package outside

import (
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/test/internet"
)

// basic is a credential.
func basic(user, password string) map[string]string {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth(user, password)
	return map[string]string{"Authorization": r.Header.Get("Authorization")}
}

func registryOf(t *testing.T, host string) *internet.Registry {
	t.Helper()
	r := &internet.Registry{Host: host, Auth: "auth." + host, User: "robot", Password: "canary-secret", Private: "private"}
	world.NewRegistry(r)
	for _, repository := range []string{"private/chart", "public/chart"} {
		if err := r.PushChart(repository, "1", internet.Chart("chart", "1.0.0", nil)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// pull fetches a manifest as a registry's client does, with a credential or none.
func pull(t *testing.T, s *Server, host, repository string, credential map[string]string) answer {
	t.Helper()
	ping := get(s, "https://"+host+"/v2/")
	if ping.status != 401 || !strings.Contains(ping.authenticate, "auth."+host) {
		return ping
	}
	token := ask(s, http.MethodGet, "https://auth."+host+"/token?service="+host+"&scope=repository:"+repository+":pull", with(credential, egress.HeaderNamed, ""), "")
	if token.status != 200 {
		return token
	}
	_, rest, _ := strings.Cut(token.body, `"token":"`)
	value, _, _ := strings.Cut(rest, `"`)
	return ask(s, http.MethodGet, "https://"+host+"/v2/"+repository+"/manifests/1", map[string]string{"Authorization": "Bearer " + value, "Accept": "application/vnd.oci.image.manifest.v1+json"}, "")
}

// layerOf is the digest of an image's only layer.
func layerOf(t *testing.T, manifest string) string {
	t.Helper()
	var m struct {
		Layers []struct{ Digest string }
	}
	if err := json.Unmarshal([]byte(manifest), &m); err != nil || len(m.Layers) != 1 {
		t.Fatal(err, manifest)
	}
	return m.Layers[0].Digest
}

func with(m map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// An answer belongs to who got it, in the cache as well, and no credential or token is in there.
func TestCredentials(t *testing.T) {
	registryOf(t, "registry.example.org")
	s, dir := server(t, egress.Live)
	if a := pull(t, s, "registry.example.org", "private/chart", basic("robot", "canary-secret")); a.status != 200 || a.yours {
		t.Fatalf("with the repo's credential: %+v", a)
	}
	if a := pull(t, s, "registry.example.org", "private/chart", nil); a.status != 401 {
		t.Errorf("without: %+v", a)
	}
	if a := pull(t, s, "registry.example.org", "public/chart", nil); a.status != 200 {
		t.Errorf("public: %+v", a)
	}
	manifest := pull(t, s, "registry.example.org", "public/chart", nil)
	blob := "https://registry.example.org/v2/public/chart/blobs/" + layerOf(t, manifest.body)
	accept := map[string]string{"Accept": "application/vnd.oci.image.manifest.v1+json"}
	// Clients first ask without a token. That answer does not take the place of the one that is given with one.
	for _, address := range []string{blob, "https://registry.example.org/v2/public/chart/manifests/1"} {
		if a := ask(s, http.MethodGet, address, accept, ""); a.status != 401 {
			t.Errorf("without a token: %+v", a)
		}
		if a := ask(s, http.MethodGet, address, with(accept, "Authorization", "Bearer anonymous"), ""); a.status != 200 {
			t.Errorf("with one: %+v", a)
		}
		ask(s, http.MethodGet, address, accept, "")
	}
	world.Handle("registry.example.org", nil)
	world.Handle("auth.registry.example.org", nil)
	s = reopened(t, egress.Cached, dir)
	if a := pull(t, s, "registry.example.org", "private/chart", basic("robot", "canary-secret")); a.status != 200 || a.origin != egress.Cache {
		t.Errorf("cached, with: %+v", a)
	}
	if a := pull(t, s, "registry.example.org", "private/chart", basic("robot", "wrong")); a.status == 200 {
		t.Errorf("cached, with another password: %+v", a)
	}
	if a := pull(t, s, "registry.example.org", "private/chart", nil); a.status != 401 {
		t.Errorf("cached, without: %+v", a)
	}
	if a := pull(t, s, "registry.example.org", "public/chart", nil); a.status != 200 {
		t.Errorf("cached, public: %+v", a)
	}
	kept := contents(t, dir)
	for _, secret := range []string{"canary-secret", `"anonymous"`, `"user"`, basic("robot", "canary-secret")["Authorization"]} {
		if strings.Contains(kept, secret) {
			t.Errorf("%s is kept", secret)
		}
	}
}

// However a token server is named and answers, no token is written.
func TestTokensAreNotKept(t *testing.T) {
	for i, challenge := range []string{
		`Bearer realm="https://tokens.example.net:443/t",service="x"`, `Basic realm="x", Bearer realm="https://tokens.example.net/t"`, `BEARER Realm=https://tokens.example.net/t , service="x"`, `Basic realm="x"`,
	} {
		world.Handle("odd.example.org", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Www-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
		}))
		world.Handle("tokens.example.net", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = io.WriteString(w, `{"access_token":"canary-token"}`)
		}))
		s, dir := server(t, egress.Live)
		get(s, "https://odd.example.org/v2/")
		header := map[string]string{}
		if i < 3 {
			header[egress.HeaderNamed] = "" // the registry leads there
		}
		if a := ask(s, http.MethodGet, "https://tokens.example.net/t?scope=a", header, ""); a.status != 200 || !strings.Contains(a.body, "canary-token") {
			t.Errorf("%s: %+v", challenge, a)
		}
		if text := contents(t, dir); strings.Contains(text, "canary-token") {
			t.Errorf("%s: the token is kept", challenge)
		}
	}
}

// A token that stands for somebody is a credential.
func TestRefreshTokensAreCredentials(t *testing.T) {
	world.Handle("refresh.example.org", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer of-somebody" {
			w.Header().Set("Www-Authenticate", `Bearer realm="https://refresh.example.net/token"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	world.Handle("refresh.example.net", text(`{"token":"of-somebody"}`))
	s, _ := server(t, egress.Live)
	get(s, "https://refresh.example.org/v2/")
	ask(s, http.MethodPost, "https://refresh.example.net/token", nil, "grant_type=refresh_token&refresh_token=abc")
	q := &query{header: http.Header{"Authorization": {"Bearer of-somebody"}}}
	s.identify(q)
	if q.anonymous() {
		t.Error("who has it is nobody")
	}
}

// contents is all that a folder's files have.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	if err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		out.Write(b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Where a source refuses a request without a credential, the user's own is tried, and that is said. One that the
// repo gives is never replaced.
func TestYourOwnCredentials(t *testing.T) {
	registryOf(t, "yours.example.org")
	world.Handle("helm.example.org", internet.Helm(map[string][]byte{"a-1.tgz": []byte("x")}, "", "me", "mine"))
	write := func(file, text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(file) })
	}
	write(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), `{"auths":{"yours.example.org":{"username":"robot","password":"canary-secret"}}}`)
	write(os.Getenv("NETRC"), "machine other.example.org login a password b\nmachine helm.example.org\n  login me\n  password mine\ndefault login x password y\n")
	s, dir := server(t, egress.Live)
	if a := pull(t, s, "yours.example.org", "private/chart", nil); a.status != 200 || !a.yours {
		t.Errorf("a registry: %+v", a)
	}
	if a := pull(t, s, "yours.example.org", "public/chart", nil); a.status != 200 || a.yours {
		t.Errorf("what needs none: %+v", a)
	}
	if a := pull(t, s, "yours.example.org", "private/chart", basic("robot", "wrong")); a.status == 200 {
		t.Errorf("the repo's wrong password was replaced: %+v", a)
	}
	if a := get(s, "https://helm.example.org/index.yaml"); a.status != 200 || !a.yours {
		t.Errorf("a Helm repository: %+v", a)
	}
	if a := ask(s, http.MethodGet, "https://helm.example.org/index.yaml", basic("me", "wrong"), ""); a.status != 401 || a.yours {
		t.Errorf("the repo's wrong password was replaced: %+v", a)
	}
	if a := ask(s, http.MethodPost, "https://helm.example.org/api/charts", nil, "x"); a.status != 401 || a.yours {
		t.Errorf("your login was used to write: %+v", a)
	}
	if a := ask(s, http.MethodDelete, "https://helm.example.org/api/charts/a", nil, ""); a.origin != egress.Refused || !strings.Contains(a.why, "only read") {
		t.Errorf("something was to be deleted: %+v", a)
	}
	if a := get(reopened(t, egress.Cached, dir), "https://helm.example.org/index.yaml"); a.status != 200 || !a.yours {
		t.Errorf("cached: %+v", a)
	}
	world.Handle("charts.other.example.org", internet.Helm(nil, "", "x", "y"))
	if a := get(s, "https://charts.other.example.org/index.yaml"); a.status != 401 {
		t.Errorf("the default of netrc was given to a host that a repo names: %+v", a)
	}
}

func TestLoginIsForTheLongestPrefix(t *testing.T) {
	c := &Credentials{logins: []login{{"https://a.org/charts/", "charts", ""}, {"https://a.org/", "all", ""}, {"https://a.org.evil/", "evil", ""}}}
	for address, want := range map[string]string{"https://a.org/x": "all", "https://a.org/charts/index.yaml": "charts", "https://a.org/charts": "charts", "https://a.org.evil/x": "evil", "https://b.org/": "", "http://a.org/x": ""} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if l, _ := c.loginFor(u); l.user != want {
			t.Errorf("%s: %q", address, l.user)
		}
	}
}
