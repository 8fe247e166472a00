package rehearse

import (
	"testing"
	"testing/fstest"
	"time"
)

// A host is named by a file of the tree, or by an object of the cluster; a part of a name is none.
func TestNames(t *testing.T) {
	live := `{"image":"registry.live.example/p@sha256:1"}{"url":"https://other.live.example/x"}`
	n := &names{
		tree: fstest.MapFS{
			"a.yaml":   {Data: []byte("url: https://Charts.Example.org/stable\nimage: ghcr.io/acme/x:1\n# see docs.example.com.\nhost: 10.1.2.3\n")},
			"b/c.yaml": {Data: []byte("url: http://[fd12::1]:8080/x\nprovider: cosign\n")},
		},
		live: func() string { return live }, known: map[string]bool{}, asked: map[string]time.Time{},
	}
	for host, want := range map[string]bool{
		"charts.example.org": true, "ghcr.io": true, "docs.example.com": true, "10.1.2.3": true, "registry-1.docker.io": true, "rekor.sigstore.dev": true,
		"registry.live.example": true, "other.live.example": true,
		"example.org": false, "s.example.org": false, "10.1.2.33": false, "0.1.2.3": false, "live.example": false, "evil.example.net": false,
	} {
		if got := n.has(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
	live += "later.example"
	if n.has("evil.example.net") {
		t.Error("what nobody names is named")
	}
}
