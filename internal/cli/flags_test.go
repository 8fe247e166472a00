package cli

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestFlagsRefuse(t *testing.T) {
	for _, c := range []struct {
		flag pflag.Value
		good []string
		bad  map[string]string // the error, by refused value
	}{
		{&choice{of: []string{"a", "b", "c"}}, []string{"b"}, map[string]string{"d": "use a, b or c", "": "use a, b or c", "A": "use"}},
		{new(reportFiles), []string{"r", "r.json", "r.xml", "r.md", "r.txt"}, map[string]string{"r.pdf": ".pdf", "": "name a file"}},
		{new(runName), []string{"", "a", "a-1", strings.Repeat("a", 20)}, map[string]string{"A": "lower-case", "a-": "lower-case", strings.Repeat("a", 21): "up to 20"}},
		{new(registryProxies), []string{"docker.io=harbor.my-domain.com/hub", "*=localhost:5000"}, map[string]string{"docker.io": "REGISTRY=PROXY", "a=https://m": "REGISTRY=PROXY", "=m": "REGISTRY=PROXY", "a/b=m": "REGISTRY=PROXY", "a=m/": "REGISTRY=PROXY", "registry-1.docker.io=m": "write docker.io"}},
		{new(mirrors), []string{"docker.io=https://m.example.com", "localhost:5000=http://m:1"}, map[string]string{"docker.io": "REGISTRY=URL", "a/b=https://m": "REGISTRY=URL", "=https://m": "REGISTRY=URL", "a=m": "REGISTRY=URL", "a=//m": "REGISTRY=URL"}},
	} {
		for _, s := range c.good {
			if err := c.flag.Set(s); err != nil {
				t.Errorf("%T: %q: %v", c.flag, s, err)
			}
		}
		for s, want := range c.bad {
			if err := c.flag.Set(s); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%T: %q: got %v, want %q", c.flag, s, err, want)
			}
		}
	}
}

func TestFlagsKeepWhatTheyAreGiven(t *testing.T) {
	c := newChoice("a", "b")
	if c.String() != "a" || c.Set("b") != nil || c.Set("x") == nil || c.String() != "b" || c.Type() != "a|b" {
		t.Errorf("got %+v", c)
	}
	var r registryProxies
	if r.Set("b=b/x") != nil || r.Set("a=a/x") != nil || r.String() != "a=a/x, b=b/x" {
		t.Errorf("got %s", r.String())
	}
	var m mirrors
	if m.Set("b=https://b") != nil || m.Set("a=https://a") != nil || m.String() != "a=https://a, b=https://b" {
		t.Errorf("got %s", m.String())
	}
}
