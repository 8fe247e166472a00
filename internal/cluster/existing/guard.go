package existing

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/kube"
)

// inventory is what of interest a cluster holds before the rehearsal.
type inventory struct {
	server    string
	kapp      bool     // kapp-controller's kinds
	secretgen bool     // secretgen-controller's kinds
	flux      []string // Flux's objects and controllers, for a person
	taken     []string // objects that the repo declares and that exist
	shared    []string // namespaces that the repo declares and that exist
	global    string
}

// look finds out what the cluster holds. It changes nothing.
func (c *Cluster) look(ctx context.Context, planned []cluster.Object) (inventory, error) {
	found := inventory{server: c.config.Host, global: c.PackagingGlobalNamespace}
	if _, err := c.client.Typed.Discovery().ServerVersion(); err != nil {
		return found, fmt.Errorf("the cluster does not answer: %w", err)
	}
	found.kapp = c.serves("packaging.carvel.dev", "PackageInstall")
	found.secretgen = c.serves("secretgen.carvel.dev", "SecretExport")
	for _, gk := range []schema.GroupKind{
		{Group: "source.toolkit.fluxcd.io", Kind: "GitRepository"},
		{Group: "source.toolkit.fluxcd.io", Kind: "OCIRepository"},
		{Group: "source.toolkit.fluxcd.io", Kind: "Bucket"},
		{Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization"},
	} {
		list, err := c.list(ctx, gk, "")
		if err != nil {
			return found, err
		}
		for _, o := range list {
			what := fmt.Sprintf("%s %s/%s", o.GetKind(), o.GetNamespace(), o.GetName())
			if url, ok, _ := unstructured.NestedString(o.Object, "spec", "url"); ok {
				what += " of " + url
			}
			found.flux = append(found.flux, what)
		}
	}
	controllers, err := c.list(ctx, schema.GroupKind{Group: "apps", Kind: "Deployment"}, "app.kubernetes.io/part-of=flux")
	if err != nil {
		return found, err
	}
	for _, o := range controllers {
		found.flux = append(found.flux, fmt.Sprintf("Deployment %s/%s", o.GetNamespace(), o.GetName()))
	}
	return found, c.lookFor(ctx, planned, &found)
}

func (c *Cluster) serves(group, kind string) bool {
	_, err := c.client.Mapping(schema.GroupKind{Group: group, Kind: kind}, "")
	return err == nil
}

// list lists a kind in all namespaces; a kind that nothing serves has no objects.
func (c *Cluster) list(ctx context.Context, gk schema.GroupKind, selector string) ([]unstructured.Unstructured, error) {
	m, err := c.client.Mapping(gk, "")
	if meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l, err := c.client.Dynamic.Resource(m.Resource).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	return l.Items, nil
}

// lookFor finds the objects that the repo declares and the cluster has.
func (c *Cluster) lookFor(ctx context.Context, planned []cluster.Object, found *inventory) error {
	for _, o := range planned {
		r, err := c.client.Resource(kube.Object(o.Group+"/"+o.Version, o.Kind, o.Namespace, o.Name, nil))
		if meta.IsNoMatchError(err) {
			continue // nothing serves its kind yet, so there is none
		}
		if err != nil {
			return err
		}
		if _, err = r.Get(ctx, o.Name, metav1.GetOptions{}); apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		if o.Kind == "Namespace" {
			found.shared = append(found.shared, o.Name)
		} else {
			found.taken = append(found.taken, strings.TrimPrefix(fmt.Sprintf("%s %s/%s", o.Kind, o.Namespace, o.Name), "/"))
		}
	}
	return nil
}

// Refusal is an error about a cluster that a rehearsal would harm.
type Refusal struct {
	Reason, Hint string
}

func (r *Refusal) Error() string { return r.Reason }

// refuse says why the cluster is not fit for a rehearsal.
func (i inventory) refuse() error {
	const fresh = "rehearse in a scratch cluster: a vcluster, k3d, or a spare workload cluster"
	if len(i.flux) > 0 {
		return &Refusal{fmt.Sprintf("the cluster at %s already runs Flux for something else: %s", i.server, some(i.flux)), fresh + "; or remove it with flux uninstall"}
	}
	if len(i.taken) > 0 {
		return &Refusal{fmt.Sprintf("the cluster at %s already has what the repo declares, and the rehearsal would change and then delete it: %s", i.server, some(i.taken)), fresh}
	}
	return nil
}

// plan says what a rehearsal will touch.
func (i inventory) plan() string {
	add := []string{"Flux in namespace " + fluxNamespace, "a Gitea in namespace " + Namespace, "what the repo's layers declare"}
	if !i.kapp {
		add = append(add, "kapp-controller (packages in "+i.global+" are global)")
	}
	text := fmt.Sprintf("rehearsing in the cluster at %s: adds, and removes at the end, %s", i.server, strings.Join(add, ", "))
	if len(i.shared) > 0 {
		text += "; existing namespaces stay: " + some(i.shared)
	}
	return text
}

// some lists the first few of many.
func some(all []string) string {
	const most = 8
	if len(all) > most {
		return strings.Join(all[:most], ", ") + fmt.Sprintf(" and %d more", len(all)-most)
	}
	return strings.Join(all, ", ")
}

// protect keeps namespaces that were there before from being pruned.
func (c *Cluster) protect(ctx context.Context, namespaces []string) error {
	for _, name := range namespaces {
		if err := c.annotate(ctx, name, `"disabled"`); err != nil {
			return err
		}
		c.protected = append(c.protected, name)
	}
	return nil
}

// errOccupied says that another rehearsal uses the cluster.
var errOccupied = errors.New("another rehearsal is running in this cluster")
