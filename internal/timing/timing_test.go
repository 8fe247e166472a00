package timing

import (
	"fmt"
	"testing"
	"time"
)

// Spans follow each other: what ends before the last one did adds nothing.
func TestPath(t *testing.T) {
	start := time.Unix(1000, 0)
	after := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	p := Begin(start)
	p.Until(after(2), "a", Ours)
	p.Until(after(1), "earlier", Flux)
	p.Until(time.Time{}, "never", Flux)
	p.Until(after(5), "b", Flux)
	p.Join([]Span{{"c", Helm, 4}}, after(9))
	p.Until(after(10), "d", Ours)
	if got, want := fmt.Sprint(p.Spans()), "[{a seatrial 2} {b flux 3} {c helm-controller 4} {d seatrial 1}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
