// Package console is how Seatrial talks to a person. The rules: status goes to
// stderr and data to stdout; a step is one line when it begins on a terminal
// and one when it is over; layers get a line when their state changes, with the
// time since Flux began; errors are lower case, say what and where, and a hint
// says what to do next; colour only on a terminal, and never if NO_COLOR is set.
package console

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/prose"
	"seatrial.dev/seatrial/internal/verdict"
)

// Console writes status lines.
type Console struct {
	mu sync.Mutex
	// conceal takes secret values out of what is written; nil: none is known.
	conceal func(string) string
	out     io.Writer
	live    bool // a terminal: lines may be overwritten
	color   bool
	last    string // the line that may be overwritten
	seen    map[string]verdict.Status
}

// New writes to out.
func New(out io.Writer) *Console {
	c := &Console{out: out, seen: map[string]verdict.Status{}}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		c.live = os.Getenv("TERM") != "dumb"
		c.color = c.live && os.Getenv("NO_COLOR") == ""
	}
	return c
}

// Conceal has every text pass through f, which takes secret values out, before it is written.
func (c *Console) Conceal(f func(string) string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conceal = f
}

// safe returns a text without secret values and without characters that would control
// the terminal.
func (c *Console) safe(text string) string {
	if c.conceal != nil {
		text = c.conceal(text)
	}
	return prose.Printable(text)
}

// Marks of a line's meaning.
const (
	ok   = "✓"
	bad  = "✗"
	busy = "•"
)

func (c *Console) paint(mark string) string {
	code := map[string]string{ok: "32", bad: "31", busy: "36"}[mark]
	if !c.color || code == "" {
		return mark
	}
	return "\x1b[" + code + "m" + mark + "\x1b[0m"
}

// line writes a line that stays, with a mark before it if there is one.
func (c *Console) line(mark, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	if mark != "" {
		mark = " " + c.paint(mark) + " "
	}
	fmt.Fprintln(c.out, mark+c.safe(fmt.Sprintf(format, args...)))
}

// transient writes a line that the next one replaces, on a terminal only.
func (c *Console) transient(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.live {
		return
	}
	text = c.safe(text)
	width := 100
	if f, isFile := c.out.(*os.File); isFile {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 10 {
			width = w - 1
		}
	}
	if r := []rune(text); len(r) > width {
		text = string(r[:width])
	}
	if text == c.last {
		return
	}
	c.clear()
	c.last = text
	fmt.Fprint(c.out, text)
}

func (c *Console) clear() {
	if c.last != "" {
		fmt.Fprint(c.out, "\r\x1b[K")
		c.last = ""
	}
}

// Step implements rehearse.Console.
func (c *Console) Step(title string) func(error) {
	start := time.Now()
	c.transient(fmt.Sprintf(" %s %s …", busy, title))
	return func(err error) {
		mark := ok
		if err != nil {
			mark = bad
		}
		c.line(mark, "%s (%s)", title, seconds(time.Since(start)))
	}
}

// Note implements rehearse.Console.
func (c *Console) Note(text string) { c.line(busy, "%s", text) }

// Layers implements rehearse.Console.
func (c *Console) Layers(layers []*verdict.Layer, elapsed time.Duration) {
	var pending []string
	for _, l := range layers {
		if l.Status == verdict.Pending {
			pending = append(pending, l.Title())
			continue
		}
		key := l.Ref.String()
		if c.seen[key] == l.Status {
			continue
		}
		c.seen[key] = l.Status
		switch l.Status {
		case verdict.Reconciled:
			c.line(ok, "%7s  %s reconciled (%s)", seconds(elapsed), l.Title(), prose.Count(l.Objects, "object"))
		default:
			c.line(bad, "%7s  %s %s: %s", seconds(elapsed), l.Title(), l.Status, prose.Brief(c.concealed(l.Message), 160))
		}
	}
	if len(pending) > 0 {
		c.transient(fmt.Sprintf(" %s %7s  %s to go: %s", busy, seconds(elapsed), prose.Count(len(pending), "layer"), strings.Join(pending, ", ")))
	}
}

// concealed returns a text without secret values. It is called before the text is cut:
// a part of a secret value would not be recognised any more.
func (c *Console) concealed(text string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conceal == nil {
		return text
	}
	return c.conceal(text)
}

func seconds(d time.Duration) string {
	if d >= 2*time.Minute {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}

// Error writes an error and its hint.
func (c *Console) Error(err error) {
	c.line("", "seatrial: error: %v", err)
	if next := hint.Of(err); next != "" {
		c.line("", "seatrial: hint: %s", next)
	}
}
