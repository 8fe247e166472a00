package kube

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// AwaitAvailable returns when the APIService of that name is available: until then,
// discovery is incomplete for every client. It gives up after one minute.
func (c *Client) AwaitAvailable(ctx context.Context, apiService string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	resource := c.Dynamic.Resource(schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"})
	why := "it is not there"
	for {
		w, err := resource.Watch(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", apiService).String()})
		if err != nil {
			return fmt.Errorf("%s is not available: %s: %w", apiService, why, err)
		}
		for e := range w.ResultChan() {
			if u, isObject := e.Object.(*unstructured.Unstructured); isObject && e.Type != watch.Deleted {
				var yes bool
				if yes, why = available(u); yes {
					w.Stop()
					return nil
				}
			}
		}
		select { // the server may end a watch at any time
		case <-ctx.Done():
			return fmt.Errorf("%s is not available: %s: %w", apiService, why, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// available reads an APIService's Available condition.
func available(apiService *unstructured.Unstructured) (yes bool, why string) {
	conditions, _, _ := unstructured.NestedSlice(apiService.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == "Available" {
			return m["status"] == "True", fmt.Sprint(m["message"])
		}
	}
	return false, "the API server has not looked at it"
}
