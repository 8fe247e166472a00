package rehearse

import (
	"context"
	"fmt"
	"time"

	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/timing"
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

// judge follows the layers until each has reconciled or never will, or until Timeout.
func (r *rehearsal) judge(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	r.unwatch = stop
	r.view = watch.New(watching, r.cluster.Client())
	for _, gk := range verdict.Tracked {
		r.view.Watch(gk)
	}
	start := time.Now()
	defer func() { r.took = time.Since(start) }()
	r.Path.Until(start, "start to watch", timing.Ours)
	r.judged = verdict.NewJudge(r.subject.Repo, r.synced.Commit, r.cluster.Patience(), start)
	r.judged.On(r.Platform, r.Enforced)
	defer func() { r.follow(time.Now()) }()
	deadline := time.NewTimer(r.Timeout)
	defer deadline.Stop()
	// When nothing changes any more, no event arrives: only the clock can tell the
	// judge that the cluster is at rest.
	clock := time.NewTicker(time.Second)
	defer clock.Stop()
	for {
		if err := r.assess(ctx); err != nil {
			return err
		}
		r.console.Layers(r.last.Layers, time.Since(start))
		if r.last.Final && r.view.Synced() {
			return nil
		}
		pause := time.NewTimer(min(share*r.looking, longest))
		select {
		case <-pause.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		select {
		case <-r.view.Changed():
		case <-clock.C:
		case err := <-r.cluster.Failed():
			return fmt.Errorf("the cluster broke: %w", err)
		case <-deadline.C:
			verdict.EndAll(&r.last)
			r.console.Layers(r.last.Layers, time.Since(start))
			r.late = fmt.Errorf("not all layers came to an end within %s", r.Timeout)
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// follow adds what the verdict waited for to the critical path.
func (r *rehearsal) follow(end time.Time) { r.Path.Join(r.judged.Path(r.view, r.last, end), end) }

// assess has the judge look at the cluster once. It then watches the kinds that the
// judge is missing, and asks the objects that it names to reconcile.
func (r *rehearsal) assess(ctx context.Context) error {
	for _, gk := range verdict.Referred() {
		r.view.Watch(gk) // again and again, as some kinds come with a chart or package
	}
	began := time.Now()
	r.last = r.judged.Assess(r.view, began)
	r.looking = time.Since(began)
	for _, l := range r.last.Layers {
		for _, ref := range l.Unwatched {
			r.view.Watch(ref.GroupKind)
		}
	}
	for _, wake := range r.last.Wakes {
		_ = requestReconcile(ctx, r.cluster.Client(), wake) // it would come without, only later; and the judge asks again
	}
	for _, retry := range r.last.Retries {
		if err := requestReconcile(ctx, r.cluster.Client(), retry); err != nil {
			return err
		}
	}
	return nil
}

// requestReconcile asks for a reconciliation by annotation, as flux reconcile does.
func requestReconcile(ctx context.Context, c *kube.Client, retry verdict.Retry) error {
	m, err := c.Mapping(retry.GroupKind, "")
	if err != nil {
		return err
	}
	o := kube.Object(m.GroupVersionKind.GroupVersion().String(), retry.Kind, retry.Namespace, retry.Name, nil)
	return c.Annotate(ctx, o, "reconcile.fluxcd.io/requestedAt", retry.Token)
}
