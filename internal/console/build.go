package console

import (
	"fmt"
	"sync"
	"time"

	"seatrial.dev/seatrial/internal/prose"
)

// Build shows the progress of an engine build. Without a terminal it writes a line
// every half minute, so that the log of a CI job shows that the build is alive.
type Build struct {
	*Console
	mu      sync.Mutex
	start   time.Time
	parts   map[string]part
	spoken  time.Time
	pending int
}

type part struct {
	done, total int
	start       time.Time
}

// NewBuild starts to show the build of a number of families.
func NewBuild(c *Console, parts int) *Build {
	now := time.Now()
	return &Build{Console: c, start: now, spoken: now, parts: map[string]part{}, pending: parts}
}

// Waiting implements engine.Progress.
func (b *Build) Waiting() { b.Note("another seatrial is building: waiting for it") }

// Started implements engine.Progress.
func (b *Build) Started(title string) {
	b.mu.Lock()
	b.parts[title] = part{start: time.Now()}
	b.mu.Unlock()
	b.Note("building " + title)
}

// Compiled implements engine.Progress.
func (b *Build) Compiled(title string, done, total int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.parts[title]
	p.done, p.total = done, total
	b.parts[title] = p
	text := fmt.Sprintf("building %s: %s of about %d compiled, %s; %s left after it",
		title, prose.Count(done, "package"), max(done, total), seconds(time.Since(p.start)), prose.Count(b.pending-1, "part"))
	b.transient(" " + busy + " " + text)
	if !b.live && time.Since(b.spoken) > 30*time.Second {
		b.spoken = time.Now()
		b.Note(text)
	}
}

// Finished implements engine.Progress.
func (b *Build) Finished(title string, took time.Duration, left int) {
	b.mu.Lock()
	b.pending = left
	b.mu.Unlock()
	b.line(ok, "built %s (%s; %s to go, %s since the start)", title, seconds(took), prose.Count(left, "part"), seconds(time.Since(b.start)))
}
