package rehearse

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/verdict"
	"seatrial.dev/seatrial/internal/watch"
)

// judge follows the layers until each of them has reconciled or never will.
func (r *rehearsal) judge(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	r.unwatch = stop
	r.view = watch.New(watching, r.cluster.Client())
	for _, gk := range verdict.Tracked {
		r.view.Watch(gk)
	}
	start := time.Now()
	defer func() { r.took = time.Since(start) }()
	r.judged = verdict.NewJudge(r.subject.Repo, r.synced.Commit, r.cluster.Patience(), start)
	deadline := time.NewTimer(r.Timeout)
	defer deadline.Stop()
	// That nothing changes any more is no event: the judge has to look at the clock.
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

// assess has the judge look once, and does what it asks for: to watch more kinds, and to
// have what fails try again.
func (r *rehearsal) assess(ctx context.Context) error {
	for _, gk := range verdict.Referred() {
		r.view.Watch(gk) // some kinds come with a chart or package
	}
	r.last = r.judged.Assess(r.view, time.Now())
	for _, l := range r.last.Layers {
		for _, ref := range l.Unwatched {
			r.view.Watch(ref.GroupKind)
		}
	}
	for _, retry := range r.last.Retries {
		if err := requestReconcile(ctx, r.cluster.Client(), retry); err != nil {
			return err
		}
	}
	return nil
}

// requestReconcile does what flux reconcile does.
func requestReconcile(ctx context.Context, c *kube.Client, retry verdict.Retry) error {
	m, err := c.Mapping(retry.GroupKind, "")
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{"reconcile.fluxcd.io/requestedAt": retry.Token}}})
	if err != nil {
		return err
	}
	_, err = c.Dynamic.Resource(m.Resource).Namespace(retry.Namespace).Patch(ctx, retry.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: kube.FieldManager})
	if apierrors.IsNotFound(err) {
		return nil // gone in the meantime: that is a change of its own
	}
	return err
}
