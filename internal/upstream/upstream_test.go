package upstream

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

const helmIndex = `
entries:
  openldap: [{version: 1.0.0}, {version: 1.1.0}, {version: 1.0.9}]
  vault: [{version: v0.34.1}]
`

// places serves a Helm repository, an update site and a registry.
func places(t *testing.T) (url string, reads map[string]int) {
	t.Helper()
	reads = map[string]int{}
	mux := http.NewServeMux()
	mux.HandleFunc("/charts/index.yaml", func(w http.ResponseWriter, _ *http.Request) { reads["index"]++; fmt.Fprint(w, helmIndex) })
	mux.HandleFunc("/broken/index.yaml", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "entries: [") })
	mux.HandleFunc("/download/plugins/ldap/1.2/ldap.hpi", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/mirror/ldap.hpi", http.StatusFound)
	})
	mux.HandleFunc("/mirror/ldap.hpi", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/download/plugins/busy/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("/portal/index.yaml", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/signed/index.yaml", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/b?X-Signature=abc", http.StatusFound)
	})
	mux.HandleFunc("/v2/private/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	mux.Handle("/v2/", registry.New())
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	img, err := random.Image(16, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(strings.TrimPrefix(web.URL, "http://") + "/a/b:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	return web.URL, reads
}

func TestPinsAreLookedUp(t *testing.T) {
	url, reads := places(t)
	host := strings.TrimPrefix(url, "http://")
	gone := httptest.NewServer(nil)
	gone.Close()
	cases := []struct {
		pin   Pin
		state State
		why   string
	}{
		{Pin{Chart, "openldap", "1.1.0", url + "/charts"}, Found, ""},
		{Pin{Chart, "openldap", "2.6.10", url + "/charts/"}, Withdrawn, "the newest there is 1.1.0"},
		{Pin{Chart, "vault", "0.34.1", url + "/charts"}, Found, ""},
		{Pin{Chart, "nothing", "1.0.0", url + "/charts"}, Withdrawn, "no chart of that name"},
		{Pin{Chart, "a", "1.0.0", url + "/broken"}, Unknown, "the index of"},
		{Pin{Chart, "a", "1.0.0", url + "/nowhere"}, Unknown, "404"},
		{Pin{Chart, "a", "1.0.0", url + "/portal"}, Unknown, "no index of charts"},
		{Pin{Chart, "a", "1.0.0", url + "/signed"}, Unknown, "/b?…"},
		{Pin{Image, host + "/private/b", ":1", ""}, Unknown, "not logged in"},
		{Pin{Chart, "a", "1.0.0", gone.URL}, Unknown, "refused"},
		{Pin{Plugin, "ldap", "1.2", url}, Found, ""},
		{Pin{Plugin, "ldap", "1.3", url}, Withdrawn, "404"},
		{Pin{Plugin, "busy", "1.3", url}, Unknown, "503"},
		{Pin{Image, host + "/a/b", ":1", ""}, Found, ""},
		{Pin{Image, host + "/a/b", ":2", ""}, Withdrawn, "does not have it"},
		{Pin{Image, strings.TrimPrefix(gone.URL, "http://") + "/a/b", ":1", ""}, Unknown, "refused"},
		{Pin{Image, host + "/A", ":1", ""}, Withdrawn, ""},
	}
	var pins []Pin
	for _, c := range cases {
		pins = append(pins, c.pin)
	}
	for i, r := range Check(t.Context(), pins, Options{Timeout: 10 * time.Second}) {
		if c := cases[i]; r.Pin != c.pin || r.State != c.state || !strings.Contains(r.Why, c.why) {
			t.Errorf("%s: got %s, %q; want %s, %q", c.pin, r.State, r.Why, c.state, c.why)
		}
	}
	if reads["index"] != 2 { // with and without a slash at the end
		t.Errorf("an index was read %d times", reads["index"])
	}
}

func TestPinsAreNamed(t *testing.T) {
	for want, p := range map[string]Pin{
		"image docker.io/a/b:1":                         {Image, "docker.io/a/b", ":1", ""},
		"chart vault 1.2 of https://charts.example.com": {Chart, "vault", "1.2", "https://charts.example.com"},
	} {
		if p.String() != want {
			t.Errorf("got %s", p)
		}
	}
	if _, err := readUpTo(strings.NewReader("abc"), 2); err == nil {
		t.Error("more than the limit was read")
	}
}
