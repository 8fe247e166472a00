package existing

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"

	"seatrial.dev/seatrial/internal/kube"
)

// RunLabel is on the rehearsal's namespace, and on everything that the rehearsal makes
// by itself outside of it; its value is the run's name.
const RunLabel = "seatrial.dev/run"

// labelled puts this run's label on objects.
func (c *Cluster) labelled(objects ...*unstructured.Unstructured) []*unstructured.Unstructured {
	for _, o := range objects {
		labels := o.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[RunLabel] = c.Run
		o.SetLabels(labels)
	}
	return objects
}

// makeNamespace makes a namespace with the run's label. One that exists already is left
// as it is: it is not ours to label, or to remove.
func (c *Cluster) makeNamespace(ctx context.Context, name string, labels map[string]string) error {
	return c.client.MakeNamespace(ctx, name, labels, c.Labels())
}

// addAccount makes the account of the flux command.
func (c *Cluster) addAccount(ctx context.Context) error {
	return c.client.Apply(ctx, c.labelled(
		kube.Object("v1", "ServiceAccount", Namespace, fluxPod, nil),
		kube.Object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", Namespace+"-"+fluxPod, map[string]any{
			"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
			"subjects": []any{map[string]any{"kind": "ServiceAccount", "namespace": Namespace, "name": fluxPod}},
		}),
	)...)
}

// startPod makes a pod and returns when it is ready.
func (c *Cluster) startPod(ctx context.Context, name string, spec map[string]any) error {
	pod := kube.Object("v1", "Pod", Namespace, name, map[string]any{"spec": spec})
	pod.SetLabels(map[string]string{"app": name})
	if err := c.client.Apply(ctx, c.labelled(pod)...); err != nil {
		return err
	}
	return c.awaitPod(ctx, Namespace, fields.OneTermEqualSelector("metadata.name", name).String(), "", podTime)
}

// awaitPod returns when a pod is ready, or says what keeps it from that.
func (c *Cluster) awaitPod(ctx context.Context, namespace, field, label string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	last := "it is not there"
	for {
		w, err := c.client.Typed.CoreV1().Pods(namespace).Watch(ctx, metav1.ListOptions{FieldSelector: field, LabelSelector: label})
		if err != nil {
			return err
		}
		for e := range w.ResultChan() {
			pod, ok := e.Object.(*corev1.Pod)
			if !ok || e.Type == watch.Deleted {
				continue
			}
			var ready bool
			if ready, last = state(pod); ready {
				w.Stop()
				return nil
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("pod %s/%s%s is not ready after %s: %s", namespace, field, label, limit, last)
		}
	}
}

// state says whether a pod is ready, and what it waits for.
func state(pod *corev1.Pod) (bool, string) {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return true, ""
		}
	}
	why := []string{string(pod.Status.Phase)}
	for _, c := range pod.Status.Conditions {
		if c.Status == corev1.ConditionFalse && c.Message != "" {
			why = append(why, c.Message)
		}
	}
	for _, s := range pod.Status.ContainerStatuses {
		if w := s.State.Waiting; w != nil {
			why = append(why, w.Reason, w.Message)
		}
	}
	return false, strings.Join(why, " ")
}
