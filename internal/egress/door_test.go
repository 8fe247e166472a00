package egress

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"seatrial.dev/seatrial/internal/standin"
)

// doorway is a door, and a client that takes it for its proxy and trusts it.
type doorway struct {
	*Door
	client *http.Client
}

// through makes a door whose link leads to outside; nil: there is none.
func through(t *testing.T, outside http.Handler) doorway {
	t.Helper()
	var link http.RoundTripper
	if outside != nil {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { ours.Close() })
		go ServeLink(theirs, outside)
		l, err := NewLink(ours)
		if err != nil {
			t.Fatal(err)
		}
		link = l
	}
	d, err := NewDoor(link)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(d)
	t.Cleanup(proxy.Close)
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(d.Certificate()) {
		t.Fatal("no certificate")
	}
	transport := &http.Transport{Proxy: http.ProxyURL(at), TLSClientConfig: &tls.Config{RootCAs: trusted}}
	t.Cleanup(transport.CloseIdleConnections)
	return doorway{d, &http.Client{Transport: transport}}
}

func (d doorway) get(t *testing.T, address string) (int, string) {
	t.Helper()
	r, err := d.client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// says answers with what it was asked, as the outside does; hosts that begin with "down" are refused.
func says(asked *sync.Map) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, err := url.Parse(r.Header.Get(HeaderURL))
		if err != nil || strings.HasPrefix(u.Host, "down") {
			w.Header().Set(HeaderOrigin, string(Refused))
			w.Header().Set(HeaderWhy, "it is down")
			w.WriteHeader(RefusedStatus)
			return
		}
		asked.Store(u.Host, r.Header.Get(HeaderNamed))
		w.Header().Set(HeaderOrigin, string(Upstream))
		fmt.Fprintf(w, "%s %s %s", r.Method, u, r.Header.Get("Authorization"))
	})
}

func TestDoorAnswersFromTheFirstThatCan(t *testing.T) {
	var asked sync.Map
	d := through(t, says(&asked))
	d.Names(func(host string) bool { return host == "named.example.org" })
	d.Own("https://github.com/acme/fleet.git", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "tree", r.URL.Path) }))
	shelf := d.Shelf()
	for _, at := range []string{"https://down.example.org/charts", "https://named.example.org/charts"} {
		if got, err := shelf.Charts(t.Context(), at, []standin.Chart{{Name: "a", Version: "1.0.0", Archive: []byte("stand-in")}}); err != nil || got != at {
			t.Fatal(got, err)
		}
	}
	image, err := random.Image(10, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := shelf.Push(t.Context(), shelf.Place("down.example.org/acme/charts/b")+":1.0.0", image); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		url    string
		status int
		body   string
		origin Origin
	}{
		{"https://github.com/acme/fleet/info/refs?service=git-upload-pack", 200, "tree/info/refs", Tree},
		{"https://GitHub.com:443/acme/fleet.git/info/refs", 200, "tree/info/refs", Tree},
		{"https://github.com/acme/fleet/releases/download/x.tgz", 200, "GET https://github.com/acme/fleet/releases/download/x.tgz ", Upstream},
		{"https://github.com/acme/fleet2/info/refs", 200, "GET https://github.com/acme/fleet2/info/refs ", Upstream},
		{"http://named.example.org/plain", 200, "GET http://named.example.org/plain ", Upstream},
		{"https://named.example.org/charts/a-1.0.0.tgz", 200, "GET https://named.example.org/charts/a-1.0.0.tgz ", Upstream},
		{"https://other.example.org:8443/x", 200, "GET https://other.example.org:8443/x ", Upstream},
		{"https://down.example.org/charts/a-1.0.0.tgz", 200, "stand-in", StoodIn},
		{"https://down.example.org/charts/none.tgz", 404, "404 page not found\n", StoodIn},
		{"https://down.example.org/v2/", 200, "", StoodIn},
		{"https://down.example.org/v2/acme/charts/b/manifests/" + digest.String(), 200, "", StoodIn},
		{"https://down.example.org/other", RefusedStatus, "seatrial: it is down\n", Refused},
		{"https://down2.example.org/", RefusedStatus, "seatrial: it is down\n", Refused},
	} {
		status, body := d.get(t, c.url)
		if status != c.status || c.body != "" && body != c.body {
			t.Errorf("%s: %d %q", c.url, status, body)
		}
		all, _ := d.All()
		u, _ := url.Parse(c.url)
		found := false
		for _, a := range all {
			found = found || a.URL == shown(u) && a.Origin == c.origin && a.Status == c.status && a.Method == "GET" && (a.Digest != "" || body == "" || c.origin == Refused)
		}
		if !found {
			t.Errorf("%s is not recorded: %+v", c.url, all)
		}
	}
	for host, want := range map[string]string{"named.example.org": "yes", "github.com": ""} {
		if got, _ := asked.Load(host); got != want {
			t.Errorf("%s was asked as named %q", host, got)
		}
	}
	if !d.StoodIn("https://down.example.org/charts") || !d.StoodIn("oci://down.example.org/acme/charts") || d.StoodIn("https://named.example.org/charts") || !d.Real("https://named.example.org/charts/") || d.Real("https://down.example.org/charts") {
		all, _ := d.All()
		t.Errorf("wrong origins: %+v", all)
	}
	if why := d.Why("https://down.example.org/other"); why != "it is down" {
		t.Errorf("why: %q", why)
	}
}

// A registry that holds the repo itself says what it asks for its other repositories, and needs not be there for
// the repo.
func TestRegistryOfTheRepoItself(t *testing.T) {
	up := true
	d := through(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(HeaderOrigin, string(Upstream))
		if !up {
			w.Header().Set(HeaderOrigin, string(Refused))
			w.WriteHeader(RefusedStatus)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	d.Own("oci://ghcr.io/acme/fleet", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "tree", r.URL.Path) }))
	for _, c := range []struct {
		up     bool
		url    string
		status int
		body   string
	}{
		{true, "https://ghcr.io/v2/", 401, ""}, {false, "https://ghcr.io/v2/", 200, "tree"},
		{true, "https://ghcr.io/v2/acme/fleet/manifests/latest", 200, "tree/manifests/latest"},
		{true, "https://ghcr.io/token?service=ghcr.io&scope=repository:acme/fleet:pull", 200, `{"token":"of-the-tree","access_token":"of-the-tree"}`},
		{true, "https://ghcr.io/token?service=ghcr.io&scope=repository:acme/fleets:pull", 401, ""},
	} {
		up = c.up
		if status, body := d.get(t, c.url); status != c.status || body != c.body {
			t.Errorf("%s, up %v: %d %q", c.url, c.up, status, body)
		}
	}
}

// What a source has said of its charts is not mixed with stand-ins.
func TestStandInsAreNotMixed(t *testing.T) {
	up := true
	d := through(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up {
			w.Header().Set(HeaderOrigin, string(Refused))
			w.WriteHeader(RefusedStatus)
			return
		}
		w.Header().Set(HeaderOrigin, string(Cache))
		fmt.Fprint(w, "index")
	}))
	if _, err := d.Shelf().Charts(t.Context(), "https://charts.example.org", []standin.Chart{{Name: "a", Version: "1.0.0", Archive: []byte("stand-in")}}); err != nil {
		t.Fatal(err)
	}
	if status, body := d.get(t, "https://charts.example.org/index.yaml"); status != 200 || body != "index" {
		t.Fatal(status, body)
	}
	up = false
	if status, body := d.get(t, "https://charts.example.org/a-1.0.0.tgz"); status != RefusedStatus {
		t.Errorf("%d %q", status, body)
	}
}

// However much a repo asks for, the stand-ins that it got are listed.
func TestStandInsAreAlwaysListed(t *testing.T) {
	d := through(t, nil)
	if _, err := d.Shelf().Charts(t.Context(), "https://charts.example.org", []standin.Chart{{Name: "a", Version: "1.0.0", Archive: []byte("stand-in")}}); err != nil {
		t.Fatal(err)
	}
	for i := range maxAnswers + 10 {
		d.add(Answer{Method: http.MethodGet, URL: fmt.Sprintf("https://a.example.org/%d", i), Origin: Refused})
	}
	d.get(t, "https://charts.example.org/index.yaml")
	if all, more := d.All(); !d.StoodIn("https://charts.example.org") || more != 10 || len(all) != maxAnswers+1 {
		t.Errorf("%d answers, %d more", len(all), more)
	}
}

// A source that has begun with stand-ins goes on with them, though it answers itself meanwhile.
func TestStandInsStay(t *testing.T) {
	up := false
	d := through(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up {
			w.Header().Set(HeaderOrigin, string(Refused))
			w.Header().Set(HeaderWhy, "it is down")
			w.WriteHeader(RefusedStatus)
			return
		}
		w.Header().Set(HeaderOrigin, string(Upstream))
	}))
	if _, err := d.Shelf().Charts(t.Context(), "https://charts.example.org", []standin.Chart{{Name: "a", Version: "1.0.0", Archive: []byte("stand-in")}}); err != nil {
		t.Fatal(err)
	}
	d.get(t, "https://charts.example.org/index.yaml")
	up = true
	if _, body := d.get(t, "https://charts.example.org/a-1.0.0.tgz"); body != "stand-in" {
		t.Errorf("%q", body)
	}
	d.get(t, "https://charts.example.org/index.yaml")
	if all, _ := d.All(); !strings.Contains(InsteadOf(all, "https://charts.example.org"), "down") {
		t.Errorf("why it is not the source itself is forgotten: %+v", all)
	}
}

// A source that refuses a placeholder says nothing of the repo.
func TestPlaceholdersAreNotTheReposFault(t *testing.T) {
	d := through(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(HeaderOrigin, string(Upstream))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	ask := func(credential bool) int {
		r, err := http.NewRequest(http.MethodGet, "https://a.example.org/index.yaml", nil)
		if err != nil {
			t.Fatal(err)
		}
		if credential {
			r.SetBasicAuth("a", "b")
		}
		answer, err := d.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	if got := ask(true); got != 401 {
		t.Errorf("with the key: %d", got)
	}
	d.Placeholders(true)
	if with, without := ask(true), ask(false); with != RefusedStatus || without != 401 {
		t.Errorf("without the key: %d, and %d without a credential", with, without)
	}
}

// An answer that ends too early is listed as such, and ends too early for the client.
func TestCutOffAnswers(t *testing.T) {
	d := through(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(HeaderOrigin, string(Upstream))
		fmt.Fprint(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	r, err := d.client.Get("https://a.example.org/x.tgz")
	if err == nil {
		_, err = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	if all, _ := d.All(); err == nil || len(all) != 1 || all[0].Digest != "" || all[0].Why == "" {
		t.Errorf("%v %+v", err, all)
	}
}

// Credentials go where they are meant to, and to no record.
func TestRecordHasNoSecrets(t *testing.T) {
	var asked sync.Map
	d := through(t, says(&asked))
	r, err := http.NewRequest(http.MethodGet, "https://a.example.org/x?X-Amz-Signature=canary", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("a", "canary")
	r.Header.Set(HeaderNamed, "yes") // a client does not speak for the door
	answer, err := d.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || !strings.HasSuffix(string(b), r.Header.Get("Authorization")) {
		t.Errorf("%q %v", b, err)
	}
	if named, _ := asked.Load("a.example.org"); named != "" {
		t.Error("a client named its host itself")
	}
	all, _ := d.All()
	if text := fmt.Sprint(all); strings.Contains(text, "canary") || len(all) != 1 {
		t.Error(text)
	}
}

// A client that holds a host against certificates of its own is connected with the host itself, and with
// the door where that can't be reached.
func TestHostsApart(t *testing.T) {
	own := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the host itself") }))
	defer own.Close()
	reachable := true
	d := through(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || !reachable {
			w.Header().Set(HeaderOrigin, string(Refused))
			w.WriteHeader(RefusedStatus)
			return
		}
		conn, err := net.Dial("tcp", own.Listener.Addr().String())
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		w.WriteHeader(http.StatusOK)
		flush := http.NewResponseController(w).Flush
		_ = flush()
		go func() { _, _ = io.Copy(conn, r.Body) }()
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if _, wrong := w.Write(b[:n]); err != nil || wrong != nil {
				return
			}
			_ = flush()
		}
	}))
	d.Names(func(string) bool { return true })
	d.Apart("example.com")
	d.Apart("git.example.com")
	d.Own("https://git.example.com/fleet", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "tree") }))
	if _, body := d.get(t, "https://git.example.com/fleet.git/info/refs"); body != "tree" {
		t.Errorf("the repo itself, on a host apart: %q", body)
	}
	d.Record = Record{}
	trusted := d.client.Transport.(*http.Transport)
	trusted.TLSClientConfig.RootCAs.AddCert(own.Certificate())
	if status, body := d.get(t, "https://example.com/"); status != 200 || body != "the host itself" {
		t.Errorf("%d %q", status, body)
	}
	all, _ := d.All()
	if len(all) != 1 || all[0].Origin != Tunnel || !d.Real("https://example.com/charts") {
		t.Errorf("%+v", all)
	}
	trusted.CloseIdleConnections()
	reachable = false
	if status, _ := d.get(t, "https://example.com/"); status != RefusedStatus {
		t.Errorf("not reachable: %d", status)
	}
}

// Many requests at once, the very first ones among them, share the one connection.
func TestManyAtOnce(t *testing.T) {
	var asked sync.Map
	for range 20 {
		d := through(t, says(&asked))
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("http://a%d.example.org/", i), nil)
				w := httptest.NewRecorder()
				d.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
		}
		wg.Wait()
	}
}

func TestWithoutOutside(t *testing.T) {
	d := through(t, nil)
	if status, body := d.get(t, "https://a.example.org/"); status != RefusedStatus || !strings.HasPrefix(body, "seatrial: ") {
		t.Errorf("%d %q", status, body)
	}
}

func TestLocations(t *testing.T) {
	for _, c := range []struct{ source, url, below string }{ // "-" for what is not below
		{"https://a.org", "https://a.org/index.yaml", "/index.yaml"}, {"https://a.org/", "https://a.org/", "/"},
		{"https://A.org/x/", "https://a.org:443/x/y", "/y"}, {"https://a.org/x", "https://a.org/xy", "-"}, {"https://a.org/x", "https://b.org/x", "-"},
		{"https://a.org:8443/x", "https://a.org/x", "-"}, {"https://a.org/x.git", "https://a.org/x/info/refs", "/info/refs"}, {"https://a.org/x", "https://a.org/x.git/info/refs", "/info/refs"}, {"https://a.org/x", "https://a.org/x.github/y", "-"},
		{"oci://ghcr.io/acme", "https://ghcr.io/v2/acme/b/manifests/1", "/b/manifests/1"}, {"oci://ghcr.io/acme", "https://ghcr.io/v2/", ""}, {"oci://ghcr.io/acme", "https://ghcr.io/v2/acmes/b", "-"},
		{"oci://docker.io/acme", "https://registry-1.docker.io/v2/acme/b", "/b"}, {"oci://registry-1.docker.io/acme", "https://index.docker.io/v2/acme/b", "/b"},
	} {
		at, ok := locate(c.source)
		u, err := url.Parse(c.url)
		if err != nil || !ok {
			t.Fatal(c, err)
		}
		rest, below := at.below(u)
		if !below {
			rest = "-"
		}
		if rest != c.below {
			t.Errorf("%s below %s: %q", c.url, c.source, rest)
		}
	}
	for _, source := range []string{"ssh://git@a.org/x", "git@a.org:x", "", "oci://", "s3.amazonaws.com"} {
		if at, ok := locate(source); ok {
			t.Errorf("%q is at %+v", source, at)
		}
	}
}
