package console

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/prose"
	"seatrial.dev/seatrial/internal/verdict"
)

// No secret value is written, not even a part of one at the end of a line that is cut.
func TestConceals(t *testing.T) {
	var out bytes.Buffer
	c := New(&out)
	c.Conceal(func(s string) string { return strings.ReplaceAll(s, "hunter2-hunter2", "***") })
	c.Note("a note of hunter2-hunter2")
	c.Error(hint.New("it says hunter2-hunter2", "try hunter2-hunter2"))
	c.Step("step hunter2-hunter2")(nil)
	c.line(bad, "%s", prose.Brief(c.concealed(strings.Repeat("x", 150)+"hunter2-hunter2"), 160))
	if strings.Contains(out.String(), "hunter") || strings.Count(out.String(), "***") != 5 {
		t.Errorf("got %s", out.String())
	}
}

// A repo's names can't move a terminal's cursor.
func TestNothingActsOnTheTerminal(t *testing.T) {
	var out bytes.Buffer
	New(&out).Note("name\x1b[2J\x07 of \xff\xfe bytes")
	if got := out.String(); strings.ContainsAny(got, "\x1b\x07") || strings.Contains(got, "\xff") || !strings.Contains(got, `\u001b[2J`) {
		t.Errorf("got %q", got)
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{1500 * time.Millisecond: "1.5s", 3 * time.Minute: "3m0s"} {
		if got := seconds(d); got != want {
			t.Errorf("%s: got %s", d, got)
		}
	}
}

func layer(name string, status verdict.Status, message string) *verdict.Layer {
	return &verdict.Layer{Layer: &gitops.Layer{Ref: gitops.Ref{Namespace: "flux-system", Name: name}}, Status: status, Message: message, Objects: 1}
}

// A layer gets a line when its state changes, and no other.
func TestLayers(t *testing.T) {
	var out bytes.Buffer
	c := New(&out)
	for i, step := range []struct {
		layers []*verdict.Layer
		want   string
	}{
		{[]*verdict.Layer{layer("a", verdict.Pending, "x"), layer("b", verdict.Pending, "")}, ""},
		{[]*verdict.Layer{layer("a", verdict.Reconciled, ""), layer("b", verdict.Pending, "")}, " ✓    1.0s  a reconciled (1 object)\n"},
		{[]*verdict.Layer{layer("a", verdict.Reconciled, ""), layer("b", verdict.StatusFail, "broke\nbadly")}, " ✗    2.0s  b failed: broke\n"},
		{[]*verdict.Layer{layer("a", verdict.Reconciled, ""), layer("b", verdict.StatusFail, "another word")}, ""},
		{[]*verdict.Layer{layer("a", verdict.Blocked, "waits for b"), layer("b", verdict.Reconciled, "")}, " ✗    4.0s  a blocked: waits for b\n ✓    4.0s  b reconciled (1 object)\n"},
	} {
		out.Reset()
		c.Layers(step.layers, time.Duration(i)*time.Second)
		if got := out.String(); got != step.want {
			t.Errorf("step %d: got %q, want %q", i, got, step.want)
		}
	}
}

// Layers of the same name in two namespaces are told apart.
func TestLayersOfOneName(t *testing.T) {
	var out bytes.Buffer
	other := layer("a", verdict.Reconciled, "")
	other.Namespace = "apps"
	New(&out).Layers([]*verdict.Layer{layer("a", verdict.Reconciled, ""), other}, 0)
	if got := strings.Count(out.String(), "a reconciled"); got != 2 {
		t.Errorf("got %d lines, want 2", got)
	}
}

// On a terminal, the current state is a line that the next one replaces.
func TestTransientLines(t *testing.T) {
	var out bytes.Buffer
	c := New(&out)
	c.live = true
	pending := []*verdict.Layer{layer("a", verdict.Pending, ""), layer("b", verdict.Pending, "")}
	c.Layers(pending, time.Second)
	c.Layers(pending, time.Second) // the same again: nothing is written
	c.Layers(pending[1:], 2*time.Second)
	c.Note("done")
	c.Note("more")
	const gone = "\r\x1b[K"
	want := " •    1.0s  2 layers to go: a, b" + gone + " •    2.0s  1 layer to go: b" + gone + " • done\n • more\n"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	out.Reset()
	c.transient(strings.Repeat("ä", 200))
	c.transient(strings.Repeat("ä", 201)) // is the same, as it is cut off: it is not drawn again
	if got := out.String(); got != strings.Repeat("ä", 100) {
		t.Errorf("a long line became %d letters", len([]rune(got)))
	}
}

// A step is marked by how it ends.
func TestStep(t *testing.T) {
	var out bytes.Buffer
	c := New(&out)
	c.Step("load 100%")(nil)
	c.Step("apply")(errors.New("refused"))
	if got := out.String(); !regexp.MustCompile(`^ ✓ load 100% \(0\.\ds\)\n ✗ apply \(0\.\ds\)\n$`).MatchString(got) {
		t.Errorf("got %q", got)
	}
	out.Reset()
	c.live, c.color = true, true
	c.Step("apply")(nil)
	if got := out.String(); !strings.HasPrefix(got, " • apply …\r\x1b[K \x1b[32m✓\x1b[0m apply (") {
		t.Errorf("on a terminal: got %q", got)
	}
}

// A file that is no terminal gets no escape codes, whatever the environment says.
func TestNoEscapeCodesOffATerminal(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("NO_COLOR", "")
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := New(f)
	c.Step("apply")(errors.New("refused"))
	c.Layers([]*verdict.Layer{layer("a", verdict.Pending, ""), layer("b", verdict.Reconciled, "")}, 0)
	c.Error(fmt.Errorf("more: %w", hint.New("it broke", "mend it")))
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if got := string(b); strings.ContainsAny(got, "\x1b\r") || strings.Contains(got, "to go") || !strings.HasSuffix(got, "\nseatrial: error: more: it broke\nseatrial: hint: mend it\n") {
		t.Errorf("got %q", got)
	}
}
