package existing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/kube"
)

// pruneTime is how long a layer may take to be removed.
const pruneTime = 90 * time.Second

// layerLabel is on everything that a Kustomization has applied.
const layerLabel = "kustomize.toolkit.fluxcd.io/name"

var (
	kustomizations = schema.GroupKind{Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization"}
	// finalized are kinds with finalizers: their controllers first remove what they have made.
	finalized = []schema.GroupKind{
		{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease"}, {Group: "packaging.carvel.dev", Kind: "PackageInstall"},
		{Group: "kappctrl.k14s.io", Kind: "App"}, {Group: "packaging.carvel.dev", Kind: "PackageRepository"},
	}
	// labelledKinds are those that a rehearsal makes by itself, in the order of their removal.
	labelledKinds = []schema.GroupKind{
		{Group: "admissionregistration.k8s.io", Kind: "MutatingAdmissionPolicyBinding"},
		{Group: "admissionregistration.k8s.io", Kind: "MutatingAdmissionPolicy"},
		{Group: "apiregistration.k8s.io", Kind: "APIService"},
		{Kind: "Secret"},
		{Group: "apps", Kind: "Deployment"},
		{Kind: "Namespace"},
		{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"},
		{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"},
		{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"},
		{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"},
	}
)

// remove removes what the repo's layers have made, and then what the rehearsal has
// made: only objects with this run's label, with that of a layer of its Flux, or of
// Flux itself. It goes on after a failure, and returns all errors.
func (c *Cluster) remove(ctx context.Context) error {
	problems := []error{c.removeLayers(ctx), c.uninstallFlux(ctx)}
	own := RunLabel + "=" + c.Run
	for _, gk := range labelledKinds {
		list, err := c.list(ctx, gk, own)
		problems = append(problems, err)
		for i := range list {
			problems = append(problems, c.remove1(ctx, &list[i]))
		}
	}
	problems = append(problems, c.awaitGone(ctx, schema.GroupKind{Kind: "Namespace"}, own))
	problems = append(problems, c.awaitPlannedGone(ctx))
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("remove the rehearsal from the cluster: %w", err)
	}
	return nil
}

// awaitPlannedGone waits for all objects that the repo declares to be gone, two minutes
// at most. One that is not being deleted is not waited for: the repo keeps it when its
// layer is removed.
func (c *Cluster) awaitPlannedGone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for _, o := range c.planned {
		r, err := c.client.Resource(kube.Object(o.APIVersion(), o.Kind, o.Namespace, o.Name, nil))
		if err != nil {
			continue // its kind is gone, and the object with it
		}
		err = poll(ctx, func() (bool, error) {
			got, err := r.Get(ctx, o.Name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return true, nil
			}
			if err == nil && got.GetDeletionTimestamp() == nil {
				c.Note(o.String() + " stays in the cluster: the repo has it kept when its layer is removed")
				return true, nil
			}
			return false, err
		})
		if err != nil {
			return fmt.Errorf("%s is not gone: %w", o, err)
		}
	}
	return nil
}

// removeLayers has Flux remove its layers one by one, and those first that no other
// depends on: to be removed, a layer needs the kinds, rights and controllers of the
// layers that it depends on. The root layer, which holds Flux, is not pruned.
func (c *Cluster) removeLayers(ctx context.Context) error {
	if served, err := c.serves(kustomizations.Group, kustomizations.Kind, ""); err != nil || !served {
		return err
	}
	root := kube.Object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", gitops.RootLayer.Namespace, gitops.RootLayer.Name, nil)
	if err := c.patch(ctx, root, `{"spec":{"suspend":true}}`); err != nil {
		return err
	}
	for {
		layers, err := c.list(ctx, kustomizations, "")
		if err != nil {
			return err
		}
		layers = slices.DeleteFunc(layers, func(o unstructured.Unstructured) bool {
			return o.GetNamespace() == root.GetNamespace() && o.GetName() == root.GetName()
		})
		if len(layers) == 0 {
			return c.remove1(ctx, root)
		}
		if err := c.removeLayer(ctx, lastOf(layers)); err != nil {
			return err
		}
	}
}

// lastOf returns a layer that no other depends on or, if all are depended on, any.
func lastOf(layers []unstructured.Unstructured) *unstructured.Unstructured {
	needed := map[string]bool{}
	for _, l := range layers {
		deps, _, _ := unstructured.NestedSlice(l.Object, "spec", "dependsOn")
		for _, d := range deps {
			m, _ := d.(map[string]any)
			ns, ok := m["namespace"].(string)
			if !ok || ns == "" {
				ns = l.GetNamespace()
			}
			needed[fmt.Sprintf("%s/%v", ns, m["name"])] = true
		}
	}
	for i := range layers {
		if !needed[layers[i].GetNamespace()+"/"+layers[i].GetName()] {
			return &layers[i]
		}
	}
	return &layers[0]
}

// removeLayer removes a layer and waits for it and its objects to be gone. After
// pruneTime it removes their finalizers.
func (c *Cluster) removeLayer(ctx context.Context, layer *unstructured.Unstructured) error {
	if err := c.remove1(ctx, layer); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, pruneTime)
	defer cancel()
	own := layerLabel + "=" + layer.GetName()
	late := c.awaitGoneOne(limit, layer)
	for _, gk := range finalized {
		if late == nil {
			late = c.awaitGone(limit, gk, own)
		}
	}
	if late == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.Note(fmt.Sprintf("layer %s did not go by itself: what its releases and packages made may stay", layer.GetName()))
	problems := []error{c.letGo(ctx, layer)}
	for _, gk := range finalized {
		list, err := c.list(ctx, gk, own)
		problems = append(problems, err)
		for i := range list {
			problems = append(problems, c.letGo(ctx, &list[i]))
		}
	}
	return errors.Join(problems...)
}

// letGo deletes an object and removes its finalizers, so that it goes without its controller.
func (c *Cluster) letGo(ctx context.Context, o *unstructured.Unstructured) error {
	return errors.Join(c.remove1(ctx, o), c.patch(ctx, o, `{"metadata":{"finalizers":null}}`))
}

// uninstallFlux removes all of Flux: the cluster had nothing of it before the rehearsal.
func (c *Cluster) uninstallFlux(ctx context.Context) error {
	if c.host != nil {
		if _, err := c.flux(ctx, "uninstall", "--silent", "--timeout=2m"); err == nil {
			return nil
		}
	}
	// If the flux command can't be run: its namespace, kinds and roles bear Flux's own label.
	var problems []error
	for _, gk := range labelledKinds {
		list, err := c.list(ctx, gk, "app.kubernetes.io/part-of=flux")
		problems = append(problems, err)
		for i := range list {
			problems = append(problems, c.remove1(ctx, &list[i]))
		}
	}
	return errors.Join(problems...)
}

func (c *Cluster) remove1(ctx context.Context, o *unstructured.Unstructured) error {
	r, err := c.client.Resource(o)
	if err != nil {
		return err
	}
	err = r.Delete(ctx, o.GetName(), metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (c *Cluster) patch(ctx context.Context, o *unstructured.Unstructured, patch string) error {
	r, err := c.client.Resource(o)
	if err != nil {
		return err
	}
	_, err = r.Patch(ctx, o.GetName(), types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: kube.FieldManager})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// awaitGone returns when no object of a kind is left.
func (c *Cluster) awaitGone(ctx context.Context, gk schema.GroupKind, selector string) error {
	return poll(ctx, func() (bool, error) {
		list, err := c.list(ctx, gk, selector)
		return len(list) == 0, err
	})
}

// awaitGoneOne returns when an object is gone.
func (c *Cluster) awaitGoneOne(ctx context.Context, o *unstructured.Unstructured) error {
	r, err := c.client.Resource(o)
	if err != nil {
		return err
	}
	return poll(ctx, func() (bool, error) {
		_, err := r.Get(ctx, o.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
}

func poll(ctx context.Context, done func() (bool, error)) error {
	for {
		if yes, err := done(); err != nil || yes {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
	}
}
