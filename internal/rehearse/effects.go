package rehearse

import (
	"context"
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"seatrial.dev/seatrial/internal/effect"
	"seatrial.dev/seatrial/internal/kube"
)

// effects gives objects that layers wait for, and that no controller here acts on, the status that they have when all is
// well. That nothing acted on them is a blind spot.
func (r *rehearsal) effects(ctx context.Context) {
	kinds := effect.Waited(r.subject.Repo)
	for len(kinds) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(500 * time.Millisecond):
		}
		for _, gvk := range kinds {
			r.effect(ctx, gvk)
		}
	}
}

// effect does so for one kind. What can't be listed or written is tried again: without it, what waits says so.
func (r *rehearsal) effect(ctx context.Context, gvk schema.GroupVersionKind) {
	c := r.cluster.Client()
	m, err := c.Mapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return
	}
	list, err := c.Dynamic.Resource(m.Resource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return
	}
	for i := range list.Items {
		u := &list.Items[i]
		status := effect.Status(u, time.Now())
		if status == nil {
			continue
		}
		b, err := json.Marshal(map[string]any{"status": status})
		if err != nil {
			continue
		}
		objects := c.Dynamic.Resource(m.Resource).Namespace(u.GetNamespace())
		if _, err := objects.Patch(ctx, u.GetName(), types.MergePatchType, b, metav1.PatchOptions{FieldManager: kube.FieldManager}, "status"); err != nil {
			// Of a kind without a status of its own.
			_, _ = objects.Patch(ctx, u.GetName(), types.MergePatchType, b, metav1.PatchOptions{FieldManager: kube.FieldManager})
		}
	}
}
