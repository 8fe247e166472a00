package console

import (
	"bytes"
	"regexp"
	"testing"
	"time"
)

// Without a terminal, progress is printed every half minute, not for each package.
func TestBuildOffATerminal(t *testing.T) {
	var out bytes.Buffer
	b := NewBuild(New(&out), 3)
	for i, step := range []struct {
		do   func()
		want string // of what it writes, as an expression
	}{
		{b.Waiting, ` • another seatrial is building: waiting for it\n`},
		{func() { b.Started("flux") }, ` • building flux\n`},
		{func() { b.Compiled("flux", 10, 400) }, ``},
		{func() {
			b.spoken = b.spoken.Add(-31 * time.Second)
			b.Compiled("flux", 20, 400)
		}, ` • building flux: 20 packages of about 400 compiled, 0\.\ds; 2 parts left after it\n`},
		{func() { b.Compiled("flux", 30, 400) }, ``},
		{func() { b.Finished("flux", 3*time.Minute, 2) }, ` ✓ built flux \(3m0s; 2 parts to go, 0\.\ds since the start\)\n`},
		{func() { b.Started("kapp") }, ` • building kapp\n`},
		{func() {
			b.spoken = b.spoken.Add(-31 * time.Second)
			b.Compiled("kapp", 401, 400) // more packages than the estimate
		}, ` • building kapp: 401 packages of about 401 compiled, 0\.\ds; 1 part left after it\n`},
	} {
		out.Reset()
		step.do()
		if got := out.String(); !regexp.MustCompile(`^` + step.want + `$`).MatchString(got) {
			t.Errorf("step %d: got %q, want %q", i, got, step.want)
		}
	}
}

// On a terminal, every package is shown, on a line that is overwritten later.
func TestBuildOnATerminal(t *testing.T) {
	var out bytes.Buffer
	b := NewBuild(New(&out), 1)
	b.live = true
	b.Started("flux")
	b.spoken = b.spoken.Add(-31 * time.Second)
	b.Compiled("flux", 1, 2)
	b.Compiled("flux", 2, 2)
	b.Finished("flux", time.Second, 0)
	want := `^ • building flux\n` +
		` • building flux: 1 package of about 2 compiled, 0\.\ds; 0 parts left after it\r\x1b\[K` +
		` • building flux: 2 packages of about 2 compiled, 0\.\ds; 0 parts left after it\r\x1b\[K` +
		` ✓ built flux \(1\.0s; 0 parts to go, 0\.\ds since the start\)\n$`
	if got := out.String(); !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("got %q, want %q", got, want)
	}
}
