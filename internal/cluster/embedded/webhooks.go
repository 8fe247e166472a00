package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// openWebhooks sets the failurePolicy of admission webhooks to Ignore, until ctx ends.
// Their pods are simulated, so the API server could never reach them and would refuse
// every request, while on a real cluster they answer. Each webhook that is set aside
// becomes a blind spot.
func (c *Cluster) openWebhooks(ctx context.Context) {
	for _, resource := range []string{"validatingwebhookconfigurations", "mutatingwebhookconfigurations"} {
		client := c.client.Dynamic.Resource(schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: resource})
		go func() {
			for ctx.Err() == nil {
				c.followWebhooks(ctx, client)
				select { // the watch has ended: begin another
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		}()
	}
}

func (c *Cluster) followWebhooks(ctx context.Context, client dynamic.ResourceInterface) {
	w, err := client.Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		u, ok := e.Object.(*unstructured.Unstructured)
		if !ok || e.Type == watch.Deleted {
			continue
		}
		patch, names := openPatch(u)
		if len(names) == 0 {
			continue
		}
		// A conflict means that the object changed: the watch brings it again.
		if _, err := client.Patch(ctx, u.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{}); err != nil {
			continue
		}
		c.mu.Lock()
		for _, name := range names {
			c.openedWebhooks[fmt.Sprintf("%s/%s: webhook %s is not called, as no pod is behind it", u.GetKind(), u.GetName(), name)] = true
		}
		c.mu.Unlock()
	}
}

// openPatch returns a JSON patch that sets failurePolicy Ignore for each webhook of u
// that is a Service of the cluster, and the names of these webhooks.
func openPatch(u *unstructured.Unstructured) ([]byte, []string) {
	webhooks, _, _ := unstructured.NestedSlice(u.Object, "webhooks")
	var patch []map[string]any
	var names []string
	for i, w := range webhooks {
		m, ok := w.(map[string]any)
		if !ok || m["failurePolicy"] == "Ignore" {
			continue
		}
		if _, inCluster, _ := unstructured.NestedMap(m, "clientConfig", "service"); !inCluster {
			continue
		}
		patch = append(patch, map[string]any{"op": "add", "path": fmt.Sprintf("/webhooks/%d/failurePolicy", i), "value": "Ignore"})
		names = append(names, fmt.Sprint(m["name"]))
	}
	b, err := json.Marshal(patch)
	if err != nil {
		return nil, nil
	}
	return b, names
}
