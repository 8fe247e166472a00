package rehearse

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/prerequisite"
)

// hostname is the label that names a node.
const hostname = "kubernetes.io/hostname"

// furnish gives the simulated cluster what the repo's pods ask of nodes: a node for each set of labels, beside those that have
// none of them; extended resources and devices are on all. Nodes that somebody else runs are left as they are.
func (r *rehearsal) furnish(ctx context.Context, n prerequisite.Nodes) error {
	if r.cluster.Tier() != simulated || len(n.Labels)+len(n.Sets)+len(n.Resources)+len(n.Devices) == 0 {
		return nil
	}
	client := r.cluster.Client()
	list, err := client.Typed.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) == 0 {
		return err
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	like := &list.Items[0]
	for _, set := range n.Sets {
		name := set[hostname]
		if len(validation.IsDNS1123Subdomain(name)) > 0 {
			name = fmt.Sprintf("worker-%d", len(names)+1)
		}
		node := kube.Object("v1", "Node", "", name, map[string]any{"status": map[string]any{
			"capacity": quantities(like.Status.Capacity), "allocatable": quantities(like.Status.Allocatable),
		}})
		labels := map[string]string{hostname: name}
		for label, value := range like.Labels {
			if _, asked := set[label]; !asked && strings.HasPrefix(label, "kubernetes.io/") && label != hostname {
				labels[label] = value
			}
		}
		maps.Copy(labels, set)
		node.SetLabels(labels)
		if err := client.Apply(ctx, node); err != nil {
			return fmt.Errorf("add the node %s, which pods ask for: %w", name, err)
		}
		names = append(names, name)
	}
	for _, name := range names {
		if err := r.equip(ctx, name, n); err != nil {
			return fmt.Errorf("give node %s what pods ask for: %w", name, err)
		}
	}
	return r.devices(ctx, names, n.Devices)
}

// simulated is the tier whose nodes are.
const simulated = "embedded"

func quantities(m corev1.ResourceList) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[string(k)] = v.String()
	}
	return out
}

// equip gives one node the declared labels, and resources.
func (r *rehearsal) equip(ctx context.Context, name string, n prerequisite.Nodes) error {
	labels, room := map[string]any{}, map[string]any{}
	for label, value := range n.Labels {
		labels[label] = value
	}
	for resource, quantity := range n.Resources {
		room[resource] = quantity
	}
	nodes := r.cluster.Client().Typed.CoreV1().Nodes()
	patch := func(v any, subresources ...string) error {
		b, err := json.Marshal(v)
		if err == nil {
			_, err = nodes.Patch(ctx, name, types.MergePatchType, b, metav1.PatchOptions{FieldManager: kube.FieldManager}, subresources...)
		}
		return err
	}
	if err := patch(map[string]any{"metadata": map[string]any{"labels": labels}}); err != nil {
		return err
	}
	return patch(map[string]any{"status": map[string]any{"capacity": room, "allocatable": room}}, "status")
}

// many is how many devices of a class a node has.
const many = 32

// devices gives each node devices of the classes that claims ask for, as their drivers would.
func (r *rehearsal) devices(ctx context.Context, nodes, classes []string) error {
	for _, class := range classes {
		objects := []*unstructured.Unstructured{kube.Object("resource.k8s.io/v1", "DeviceClass", "", class, map[string]any{"spec": map[string]any{
			"selectors": []any{map[string]any{"cel": map[string]any{"expression": fmt.Sprintf("device.driver == %q", class)}}},
		}})}
		for _, node := range nodes {
			var devices []any
			for i := range many {
				devices = append(devices, map[string]any{"name": fmt.Sprintf("device-%d", i)})
			}
			objects = append(objects, kube.Object("resource.k8s.io/v1", "ResourceSlice", "", strings.ReplaceAll(node+"-"+class, "_", "-"), map[string]any{"spec": map[string]any{
				"driver": class, "nodeName": node, "devices": devices,
				"pool": map[string]any{"name": node, "generation": int64(1), "resourceSliceCount": int64(1)},
			}}))
		}
		if err := r.cluster.Client().Apply(ctx, objects...); err != nil {
			return fmt.Errorf("make devices of class %s, which claims ask for: %w", class, err)
		}
	}
	return nil
}
