// Package follow watches a cluster's layers until each has reconciled or never will: a
// rehearsal's, and after a promotion the real ones.
package follow

import (
	"context"
	"fmt"
	"time"

	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/verdict"
	"seatrial.dev/seatrial/internal/watch"
)

// For so many times as long as a look takes the judge does not look again, and no longer than
// that. Where hundreds of layers move, looking at every change would keep a processor busy
// that they need.
const (
	share   = 9
	longest = 500 * time.Millisecond
)

// Options are what is followed, and how.
type Options struct {
	Client *kube.Client
	Judge  *verdict.Judge
	// Timeout is the longest time for the layers to reconcile.
	Timeout time.Duration
	// Failed gets an error when the cluster breaks; may be nil.
	Failed <-chan error
	// Patient leaves what waits for something that is ready to its own interval, instead of waking it.
	Patient bool
	// Show is called with the layers' state whenever it changes.
	Show func(layers []*verdict.Layer, elapsed time.Duration)
}

// Follower is what was seen. Its fields are valid after Run.
type Follower struct {
	Options
	View *watch.View
	Last verdict.Assessment
	// Late is set if Timeout was too short.
	Late error
	Took time.Duration

	start   time.Time
	looking time.Duration // how long the last look took
}

// New begins to watch; the watches end with ctx.
func New(ctx context.Context, o Options) *Follower {
	f := &Follower{Options: o, View: watch.New(ctx, o.Client), start: time.Now()}
	for _, gk := range verdict.Tracked {
		f.View.Watch(gk)
	}
	return f
}

// Run returns when no layer will change any more, or after Timeout.
func (f *Follower) Run(ctx context.Context) error {
	defer func() { f.Took = time.Since(f.start) }()
	deadline := time.NewTimer(f.Timeout)
	defer deadline.Stop()
	// When nothing changes any more, no event arrives: only the clock can tell the
	// judge that the cluster is at rest.
	clock := time.NewTicker(time.Second)
	defer clock.Stop()
	for {
		if err := f.assess(ctx); err != nil {
			return err
		}
		f.Show(f.Last.Layers, time.Since(f.start))
		if f.Last.Final && f.View.Synced() {
			return nil
		}
		pause := time.NewTimer(min(share*f.looking, longest))
		select {
		case <-pause.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		select {
		case <-f.View.Changed():
		case <-clock.C:
		case err := <-f.Failed:
			return fmt.Errorf("the cluster broke: %w", err)
		case <-deadline.C:
			verdict.EndAll(&f.Last)
			f.Show(f.Last.Layers, time.Since(f.start))
			f.Late = fmt.Errorf("not all layers came to an end within %s", f.Timeout)
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// assess has the judge look at the cluster once. It then watches the kinds that the
// judge is missing, and asks the objects that it names to reconcile.
func (f *Follower) assess(ctx context.Context) error {
	for _, gk := range verdict.Referred() {
		f.View.Watch(gk) // again and again, as some kinds come with a chart or package
	}
	began := time.Now()
	f.Last = f.Judge.Assess(f.View, began)
	f.looking = time.Since(began)
	for _, l := range f.Last.Layers {
		for _, ref := range l.Unwatched {
			f.View.Watch(ref.GroupKind)
		}
	}
	if !f.Patient {
		for _, wake := range f.Last.Wakes {
			_ = Request(ctx, f.Client, wake) // it would come without, only later; and the judge asks again
		}
	}
	for _, retry := range f.Last.Retries {
		if err := Request(ctx, f.Client, retry); err != nil {
			return err
		}
	}
	return nil
}

// Request asks for a reconciliation by annotation, as flux reconcile does.
func Request(ctx context.Context, c *kube.Client, retry verdict.Retry) error {
	m, err := c.Mapping(retry.GroupKind, "")
	if err != nil {
		return err
	}
	o := kube.Object(m.GroupVersionKind.GroupVersion().String(), retry.Kind, retry.Namespace, retry.Name, nil)
	return c.Annotate(ctx, o, "reconcile.fluxcd.io/requestedAt", retry.Token)
}
