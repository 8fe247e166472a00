package gitops

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// aliases returns a document whose last alias expands to 9^levels values.
func aliases(levels int, indent string) string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < levels; i++ {
		alias := fmt.Sprintf("*a%d", i-1)
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.Repeat(alias+", ", 8)+alias)
	}
	return indent + strings.ReplaceAll(strings.TrimSpace(b.String()), "\n", "\n"+indent) + "\n"
}

const object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: d}\n"

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a%d, namespace: d}\n", i)
	}
	return b.String()
}

// A file that would take a machine's memory, or minutes of its time, is an error of its
// layer that names the file.
func TestBombsAreNotBuilt(t *testing.T) {
	expanding := map[string]string{"l/kustomization.yaml": "resources: [b0]\n", "l/b20/kustomization.yaml": "resources: [cm.yaml]\n", "l/b20/cm.yaml": object}
	for i := range 20 {
		expanding[fmt.Sprintf("l/b%d/kustomization.yaml", i)] = "resources: [l, r]\n"
		for _, side := range []string{"l", "r"} {
			expanding[fmt.Sprintf("l/b%d/%s/kustomization.yaml", i, side)] = fmt.Sprintf("namePrefix: %s\nresources: [../../b%d]\n", side, i+1)
		}
	}
	for name, c := range map[string]struct {
		files map[string]string
		file  string // that is named
	}{
		"aliases":              {map[string]string{"l/x.yaml": object + "x:\n" + aliases(8, "  ")}, "l/x.yaml"},
		"aliases, other name":  {map[string]string{"l/x.txt": object + "x:\n" + aliases(8, "  "), "l/kustomization.yaml": "resources: [x.txt]\n"}, "l/x.txt"},
		"aliases in a patch":   {map[string]string{"l/x.yaml": object, "l/kustomization.yaml": "resources: [x.yaml]\npatches:\n- target: {kind: ConfigMap}\n  patch: |\n" + aliases(8, "    ")}, "l/kustomization.yaml"},
		"a patch's file":       {map[string]string{"l/x.yaml": object, "l/p.yaml": object + "x:\n" + aliases(8, "  "), "l/kustomization.yaml": "resources: [x.yaml]\npatches:\n- path: p.yaml\n"}, "l/p.yaml"},
		"depth":                {map[string]string{"l/x.yaml": object + "x: " + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "\n"}, "l/x.yaml"},
		"depth beyond parsing": {map[string]string{"l/x.yaml": object + "x: " + strings.Repeat("[", 50000) + strings.Repeat("]", 50000) + "\n"}, "l/x.yaml"},
		"objects":              {map[string]string{"l/x.yaml": many(maxObjects + 1)}, ""},
		"objects in a list":    {map[string]string{"l/x.yaml": "apiVersion: v1\nkind: List\nitems:\n" + strings.Repeat("- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n", maxObjects+1), "l/kustomization.yaml": "resources: [x.yaml]\n"}, "l/kustomization.yaml"},
		"expansion":            {expanding, "l/kustomization.yaml"},
		"size":                 {map[string]string{"l/x.yaml": object + "data: {a: " + strings.Repeat("x", maxFile) + "}\n"}, "l/x.yaml"},
	} {
		tree := fstest.MapFS{"c/l.yaml": {Data: []byte("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: l, namespace: flux-system}\nspec: {path: ./l, sourceRef: {kind: GitRepository, name: flux-system}}\n")}}
		for file, text := range c.files {
			tree[file] = &fstest.MapFile{Data: []byte(text)}
		}
		start := time.Now()
		r, err := Load(tree, "c")
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
		b := r.Layer(Ref{"flux-system", "l"}).Build
		if b == nil || !b.Limit && (b.Parse == nil || !b.Parse.Limit) || b.File != c.file {
			t.Errorf("%s: got %+v", name, b)
		}
	}
}

// Ordinary files stay within the limits.
func TestOrdinaryFilesAreWithinLimits(t *testing.T) {
	anchors := object + "data:\n  base: &base |\n" + strings.Repeat("    line\n", 50)
	for i := range 500 {
		anchors += fmt.Sprintf("  k%d: *base\n", i)
	}
	for name, text := range map[string]string{"anchors": anchors, "objects": many(300), "nesting": object + "x: " + strings.Repeat("{a: ", 100) + "1" + strings.Repeat("}", 100) + "\n"} {
		if f := parse("x.yaml", []byte(text)); f.err != nil {
			t.Errorf("%s: %v", name, f.err)
		}
	}
	if why := hidden("run: make && make *test & echo *x\n"); why != "" {
		t.Error(why)
	}
}

// Only objects that are built count: a folder with a kustomization contributes what that lists.
func TestObjectsThatAreNotBuiltDoNotCount(t *testing.T) {
	r, err := Load(fstest.MapFS{
		"c/a/kustomization.yaml": {Data: []byte("resources: [one.yaml]\n")}, "c/a/one.yaml": {Data: []byte(object)},
		"c/a/unused.yaml": {Data: []byte(many(maxObjects + 1))},
	}, "c")
	if err != nil {
		t.Fatal(err)
	}
	if l := r.Layer(RootLayer); l.Build != nil || len(l.Objects) != 1 {
		t.Errorf("got %+v, %d objects", l.Build, len(l.Objects))
	}
}

func TestPackedChartsThatHoldTooMuch(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(make([]byte, maxUnpacked+1)); err != nil {
		t.Fatal(err)
	}
	z.Close()
	r, err := Load(fstest.MapFS{
		"c/x.yaml": {Data: []byte(object)}, "chart/Chart.yaml": {Data: []byte("name: x\n")}, "chart/charts/bomb.tgz": {Data: b.Bytes()}, "backup/big.tgz": {Data: b.Bytes()},
	}, "c")
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Archives(); len(got) != 1 || got[0].File != "chart/charts/bomb.tgz" || !got[0].TooMuch {
		t.Errorf("got %+v", got)
	}
}
