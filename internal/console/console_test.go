package console

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

// No secret value is written, not even half of one at the end of a line.
func TestConceals(t *testing.T) {
	var out bytes.Buffer
	c := New(&out)
	c.Conceal(func(s string) string { return strings.ReplaceAll(s, "hunter2-hunter2", "***") })
	c.Note("a note of hunter2-hunter2")
	c.Error(&Hinted{Err: errors.New("it says hunter2-hunter2"), Hint: "try hunter2-hunter2"})
	c.Step("step hunter2-hunter2")(nil)
	c.line(bad, "%s", brief(c.concealed(strings.Repeat("x", 150)+"hunter2-hunter2")))
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
