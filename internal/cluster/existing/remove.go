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

// pruneTime is how long Flux may take to remove what it applied.
const pruneTime = 3 * time.Minute

var (
	kustomizations = schema.GroupKind{Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization"}
	// finalized are kinds whose controllers are about to go: what Flux did not
	// get rid of in time would otherwise stay for ever.
	finalized = []schema.GroupKind{
		kustomizations,
		{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease"}, {Group: "packaging.carvel.dev", Kind: "PackageInstall"},
		{Group: "kappctrl.k14s.io", Kind: "App"}, {Group: "packaging.carvel.dev", Kind: "PackageRepository"},
	}
)

// leftovers says whether a rehearsal has left anything here.
func (c *Cluster) leftovers(ctx context.Context) (bool, error) {
	for _, gk := range labelledKinds {
		list, err := c.list(ctx, gk, RunLabel)
		if err != nil || len(list) > 0 {
			return len(list) > 0, err
		}
	}
	return false, nil
}

// labelledKinds are those that a rehearsal makes outside its own namespace, in
// the order of their removal.
var labelledKinds = []schema.GroupKind{
	{Group: "admissionregistration.k8s.io", Kind: "MutatingAdmissionPolicyBinding"},
	{Group: "admissionregistration.k8s.io", Kind: "MutatingAdmissionPolicy"},
	{Group: "apiregistration.k8s.io", Kind: "APIService"},
	{Kind: "Namespace"},
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"},
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"},
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"},
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"},
}

// remove takes away what the repo's layers made, and then what the rehearsal
// did. It goes on where something fails, and says all of it.
func (c *Cluster) remove(ctx context.Context) error {
	var problems []error
	if c.added.flux {
		problems = append(problems, c.prune(ctx))
		problems = append(problems, c.uninstallFlux(ctx))
	}
	for _, name := range c.protected {
		problems = append(problems, c.annotate(ctx, name, "null"))
	}
	for _, gk := range labelledKinds {
		list, err := c.list(ctx, gk, RunLabel)
		problems = append(problems, err)
		for i := range list {
			problems = append(problems, c.remove1(ctx, &list[i]))
		}
	}
	problems = append(problems, c.awaitGone(ctx, schema.GroupKind{Kind: "Namespace"}, RunLabel))
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("remove the rehearsal from the cluster: %w", err)
	}
	return nil
}

// prune has Flux remove what it applied: deleting the first layer deletes them all.
func (c *Cluster) prune(ctx context.Context) error {
	root := kube.Object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", gitops.RootLayer.Namespace, gitops.RootLayer.Name, nil)
	if !c.serves(kustomizations.Group, kustomizations.Kind) {
		return nil
	}
	if err := c.remove1(ctx, root); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, pruneTime)
	defer cancel()
	if err := c.awaitGone(limit, kustomizations, ""); err == nil {
		return nil
	}
	var problems []error
	for _, gk := range finalized {
		list, err := c.list(ctx, gk, "")
		problems = append(problems, err)
		for i := range list {
			c.Note(fmt.Sprintf("%s %s/%s did not go by itself: what it made may stay", list[i].GetKind(), list[i].GetNamespace(), list[i].GetName()))
			problems = append(problems, c.remove1(ctx, &list[i]), c.patch(ctx, &list[i], `{"metadata":{"finalizers":null}}`))
		}
	}
	return errors.Join(problems...)
}

func (c *Cluster) uninstallFlux(ctx context.Context) error {
	if c.host != nil {
		if _, err := c.flux(ctx, "uninstall", "--silent", "--timeout=2m"); err == nil {
			return nil
		}
	}
	// Without the command: its namespace, kinds and roles bear Flux's own label.
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
	if o.GetKind() == "Namespace" && slices.Contains(c.protected, o.GetName()) {
		return nil
	}
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

// annotate sets Flux's prune annotation of a namespace to a JSON value.
func (c *Cluster) annotate(ctx context.Context, namespace, value string) error {
	return c.patch(ctx, kube.Object("v1", "Namespace", "", namespace, nil), `{"metadata":{"annotations":{"kustomize.toolkit.fluxcd.io/prune":`+value+`}}}`)
}

// awaitGone returns when no object of a kind is left.
func (c *Cluster) awaitGone(ctx context.Context, gk schema.GroupKind, selector string) error {
	for {
		list, err := c.list(ctx, gk, selector)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s %s is still there: %w", gk.Kind, list[0].GetName(), ctx.Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}
