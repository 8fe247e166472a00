package outside

import (
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/egress"
)

func TestOnlyWhatTheRepoNames(t *testing.T) {
	unnamed := map[string]string{egress.HeaderNamed: ""}
	world.Handle("cdn.example.net", text("chart"))
	world.Handle("charts.example.org", text("entries:\n  a:\n  - urls:\n    - https://cdn.example.net/a-1.tgz\n"))
	world.Handle("moved.example.org", http.RedirectHandler("https://there.example.net/x", http.StatusFound))
	world.Handle("there.example.net", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" with "+r.Header.Get("Authorization")+r.Header.Get("Private-Token"))
	}))
	for host, to := range map[string]string{"a": "http://there.example.net/x", "b": "https://10.1.2.3/x", "c": "https://127.0.0.1/x", "d": "https://169.254.169.254/x", "e": "https://localhost/", "f": "file:///etc/passwd"} {
		world.Handle(host+".example.org", http.RedirectHandler(to, http.StatusFound))
	}
	s, _ := server(t, egress.Live)
	if a := ask(s, http.MethodGet, "https://cdn.example.net/a-1.tgz", unnamed, ""); a.origin != egress.Refused || !strings.Contains(a.why, "does not name") {
		t.Errorf("an unnamed host: %+v", a)
	}
	world.Handle("json.example.org", text(`{"entries":{"a":[{"home":"https://home.example.net","urls":["https://json.example.net/a-1.tgz?x=1"]}]}}`))
	world.Handle("json.example.net", text("chart"))
	get(s, "https://json.example.org/index.yaml")
	if a := ask(s, http.MethodGet, "https://json.example.net:443/a-1.tgz", unnamed, ""); a.status != 200 {
		t.Errorf("a host that an index in JSON leads to: %+v", a)
	}
	if a := ask(s, http.MethodGet, "https://home.example.net/", unnamed, ""); !strings.Contains(a.why, "does not name") {
		t.Errorf("a chart's home page: %+v", a)
	}
	get(s, "https://charts.example.org/index.yaml")
	if a := ask(s, http.MethodGet, "https://cdn.example.net/a-1.tgz", unnamed, ""); a.status != 200 {
		t.Errorf("a host that an index leads to: %+v", a)
	}
	if a := ask(s, http.MethodPost, "https://moved.example.org/", nil, "password=x"); a.origin != egress.Refused || !strings.Contains(a.why, "not for another host") {
		t.Errorf("a body is sent on to another host: %+v", a)
	}
	if a := ask(s, http.MethodGet, "https://moved.example.org/", with(basic("a", "b"), "Private-Token", "c"), ""); a.status != 200 || a.body != "GET with " {
		t.Errorf("a redirect to another host: %+v", a)
	}
	for host, why := range map[string]string{"a": "not followed", "b": "it is private", "c": "this machine itself", "d": "not an address", "e": "this machine itself", "f": "not followed"} {
		if a := get(s, "https://"+host+".example.org/"); a.origin != egress.Refused || !strings.Contains(a.why, why) {
			t.Errorf("%s: %+v", host, a)
		}
	}
	for address, why := range map[string]string{
		"https://127.0.0.1/": "machine itself", "https://[::1]/": "machine itself", "https://localhost/": "machine itself", "https://x.localhost./": "machine itself", "https://0.0.0.0/": "machine itself",
		"https://127.1/": "not written as one", "https://2130706433/": "not written as one", "https://0xa9fea9fe/": "not written as one", "https://0177.0.0.1/": "not written as one", "https://0xa9.0xfe.0xa9.0xfe/": "not written as one",
		"https://Metadata.Google.internal/": "secrets", "https://[fd00:ec2::254]/": "secrets", "http://169.254.169.254/": "not an address",
		"https://web.apps.svc.cluster.local/": "a Service of the cluster", "ftp://there.example.net/": "only HTTP",
	} {
		if a := get(s, address); a.origin != egress.Refused || !strings.Contains(a.why, why) {
			t.Errorf("%s: %+v", address, a)
		}
	}
	world.Handle("liar.example.org", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(egress.HeaderOrigin, string(egress.Tree))
		w.Header().Set(egress.HeaderYours, "yes")
	}))
	if a := get(s, "https://liar.example.org/"); a.origin != egress.Upstream || a.yours {
		t.Errorf("a server speaks for the door: %+v", a)
	}
}

func TestForbidden(t *testing.T) {
	for address, want := range map[string][2]bool{ // whether it is, if the repo names the host, and if it does not
		"93.184.216.34": {false, false}, "2606:2800:220:1::1": {false, false},
		"10.1.2.3": {false, true}, "192.168.0.7": {false, true}, "172.20.0.1": {false, true}, "100.64.3.2": {false, true}, "fd12::1": {false, true},
		"127.0.0.1": {true, true}, "127.9.9.9": {true, true}, "::1": {true, true}, "0.0.0.0": {true, true}, "::": {true, true}, "0.1.2.3": {true, true},
		"::ffff:127.0.0.1": {true, true}, "64:ff9b::7f00:1": {true, true}, "64:ff9b::a9fe:a9fe": {true, true},
		"2002:7f00:1::": {true, true}, "2002:5db8:d822::": {false, false}, "::7f00:1": {true, true}, "64:ff9b:1::1": {true, true},
		"169.254.169.254": {true, true}, "169.254.1.1": {true, true}, "fe80::1": {true, true}, "fe80::1%eth0": {true, true}, "224.0.0.1": {true, true}, "ff02::1": {true, true}, "255.255.255.255": {true, true},
		"fd00:ec2::254": {true, true}, "100.100.100.200": {true, true}, "::ffff:100.100.100.200": {true, true}, "168.63.129.16": {true, true},
	} {
		a := netip.MustParseAddr(address)
		for i, named := range []bool{true, false} {
			if got := forbidden(a, named) != ""; got != want[i] {
				t.Errorf("%s, named %v: %v", address, named, got)
			}
		}
	}
}

// From a private network that the repo names, a registry may lead to its token server there. From elsewhere not.
func TestPrivateLeads(t *testing.T) {
	s, _ := server(t, egress.Live)
	from, to := &url.URL{Scheme: "https", Host: "registry.corp"}, &url.URL{Scheme: "https", Host: "10.1.2.3"}
	s.host("registry.corp").named = true
	s.lead(from, "10.1.2.3")
	if _, err := s.transport(t.Context(), to, false); err == nil || !strings.Contains(err.Error(), "private") {
		t.Errorf("from a public host: %v", err)
	}
	s.private["registry.corp"] = true
	s.lead(from, "10.1.2.3")
	if got, err := s.transport(t.Context(), to, false); err != nil || got != s.named {
		t.Errorf("from a private one: %v", err)
	}
}

func TestProxiesWithoutAScheme(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "proxy.corp:3128")
	t.Setenv("HTTP_PROXY", "http://other.corp")
	if got := proxyAddresses(); !got["proxy.corp:3128"] || !got["other.corp:80"] || len(got) != 2 {
		t.Error(got)
	}
}
