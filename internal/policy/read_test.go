package policy

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"seatrial.dev/seatrial/internal/strict"
)

const declared = `apiVersion: seatrial.dev/v1alpha1
kind: Rehearsal
clusters: [{path: clusters/a}]
podSecurity: baseline
accept:
- {code: plaintext-secret, object: Secret/web/*, reason: test data, until: 2027-01-31}
`

func TestRead(t *testing.T) {
	with := func(text string) fstest.MapFS {
		return fstest.MapFS{File: {Data: []byte(text)}, "clusters/a/sync.yaml": {}}
	}
	if r, err := Read(fstest.MapFS{"a": {}}); r != nil || err != nil {
		t.Errorf("none: %+v, %v", r, err)
	}
	r, err := Read(with(declared))
	if err != nil || r.PodSecurity != "baseline" || r.Clusters[0].Path != "clusters/a" || r.Accept[0].Line != 6 || r.Promotion != nil {
		t.Errorf("got %+v, %v", r, err)
	}
	if r, err := Read(with(whole + strings.TrimPrefix(declared, whole[:strings.Index(whole, "promotion")]))); err != nil || r.Promotion == nil || len(r.Accept) != 1 {
		t.Errorf("both: %+v, %v", r, err)
	}
	for want, tree := range map[string]fs.FS{
		`.seatrial.yaml:3: clusters.0.path: clusters/b is not in the repo`:    with(strings.Replace(declared, "clusters/a", "clusters/b", 1)),
		`.seatrial.yaml:4: unknown key podSecurty: did you mean podSecurity?`: with(strings.Replace(declared, "podSecurity", "podSecurty", 1)),
		`.seatrial.yaml:2: kind: got "Blueprint"`:                             with(strings.Replace(declared, "kind: Rehearsal", "kind: Blueprint", 1)),
		`.seatrial.yaml:1: it is larger than 256 KiB`:                         with(declared + strings.Repeat("#", maxSize)),
		`.seatrial.yaml:1: it is no regular file`:                             fstest.MapFS{File: {Data: []byte("clusters"), Mode: fs.ModeSymlink}},
		`.seatrial.yaml:1: it is no regular file: write it as`:                fstest.MapFS{File + "/x": {}},
	} {
		_, err := Read(tree)
		var invalid strict.Invalid
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// The example of the documentation is one.
func TestDocumentedExampleIsValid(t *testing.T) {
	text, err := os.ReadFile("../../docs/seatrial-yaml.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```yaml\n")
	example, _, found := strings.Cut(example, "```")
	r, err := Parse("example", []byte(example))
	if err != nil || !found {
		t.Fatal(err)
	}
	if k := r.Prerequisites.Kinds[1]; k.Plural != "ciliumloadbalancerippools" || len(r.Clusters) != 2 || len(r.Sources) != 1 || len(r.Accept) != 2 || r.PodSecurity == "" || r.PackagingGlobalNamespace == "" {
		t.Errorf("it does not show everything: %+v", r)
	}
	bare, err := Parse("example", []byte(strings.Replace(example, "    plural:", "    # plural:", 1)))
	if err != nil || bare.Prerequisites.Kinds[1] != r.Prerequisites.Kinds[1] {
		t.Errorf("%+v, %v", bare, err)
	}
}

// Whatever the file holds, reading it ends soon, and says what is wrong or nothing.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		declared, whole, StarterFile("clusters/a", "x.json"), "", "---\n---\n", "a: &a [*a]", "? [a]\n: b", "clusters: [*x]", "accept: [{until: 2027-01-31}, null]",
		"prerequisites: {nodes: {resources: {a: 1e999999999}, labels: {<<: &b {a: *b}}}}", "clusters: &a [{path: &p clusters/a}]\naccept: *a\nsources: [*p]", "clusters: [{path: \"\\0\"}]\n", "!!binary aGk=",
	} {
		f.Add([]byte(seed))
	}
	tree := fstest.MapFS{"clusters/a/sync.yaml": {}}
	f.Fuzz(func(t *testing.T, text []byte) {
		tree := fstest.MapFS{"clusters/a/sync.yaml": tree["clusters/a/sync.yaml"], File: {Data: text}}
		start := time.Now()
		r, err := Read(tree)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
		var invalid strict.Invalid
		if (r == nil) != errors.As(err, &invalid) {
			t.Errorf("got %+v, %v", r, err)
		}
		for _, p := range invalid {
			if p.File != File || p.Line < 1 || p.Message == "" || p.Fix == "" {
				t.Errorf("got %+v", p)
			}
		}
	})
}
