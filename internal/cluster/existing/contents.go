package existing

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/kube"
)

// contents says what a cluster already holds, before the rehearsal adds anything, as
// far as that matters to it.
type contents struct {
	server    string
	kapp      bool     // kapp-controller's kinds
	secretgen bool     // secretgen-controller's kinds
	flux      []string // Flux's objects and controllers, for a person
	taken     []string // objects that exist, and that the repo declares or a rehearsal makes
	global    string
	// left is the name of a former run whose objects are still here; empty if there are none.
	left string
}

// look finds out what the cluster holds. It changes nothing.
func (c *Cluster) look(ctx context.Context, planned []cluster.Object) (contents, error) {
	found := contents{server: c.config.Host, global: c.PackagingGlobalNamespace}
	if _, err := c.client.Typed.Discovery().ServerVersion(); err != nil {
		return found, fmt.Errorf("the cluster does not answer: %w", err)
	}
	var err error
	if found.kapp, err = c.serves("packaging.carvel.dev", "PackageInstall", ""); err != nil {
		return found, err
	}
	if found.secretgen, err = c.serves("secretgen.carvel.dev", "SecretExport", ""); err != nil {
		return found, err
	}
	if found.left, err = c.leftBy(ctx); err != nil || found.left != "" {
		return found, err
	}
	if found.flux, err = c.fluxObjects(ctx); err != nil {
		return found, err
	}
	for _, name := range []string{Namespace, fluxNamespace} {
		planned = append(planned, cluster.Object{Version: "v1", Kind: "Namespace", Name: name})
	}
	return found, c.lookFor(ctx, planned, &found)
}

// serves says whether the API server serves a kind, in one version or, with an empty version, in any.
// It returns an error if it can't tell: a rehearsal would install over a kind that it overlooks.
func (c *Cluster) serves(group, kind, version string) (bool, error) {
	_, err := c.client.Mapping(schema.GroupKind{Group: group, Kind: kind}, version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	return err == nil, err
}

// leftBy returns the name of the run that has left its objects here, or "". The label of
// the rehearsal's namespace has that name. It is an error if Flux has since been
// bootstrapped from anywhere else than the run's Gitea, as Flux must not be removed then.
func (c *Cluster) leftBy(ctx context.Context) (string, error) {
	ns, err := c.client.Typed.CoreV1().Namespaces().Get(ctx, Namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	run := ns.Labels[RunLabel]
	if run == "" {
		return "", nil // somebody's own namespace of that name
	}
	sources, err := c.list(ctx, schema.GroupKind{Group: "source.toolkit.fluxcd.io", Kind: "GitRepository"}, "")
	if err != nil {
		return "", err
	}
	for _, o := range sources {
		root := o.GetNamespace() == fluxNamespace && o.GetName() == fluxNamespace
		if url, _, _ := unstructured.NestedString(o.Object, "spec", "url"); root && url != repoURL() {
			return "", hint.New(
				fmt.Sprintf("a rehearsal left namespace %s here, and Flux has since been bootstrapped from %s", Namespace, url),
				"delete namespace "+Namespace+" if you no longer need it, and rehearse in a scratch cluster",
			)
		}
	}
	return run, nil
}

// fluxObjects lists what the cluster has of Flux, for a person: its API groups, their
// objects, and its controllers.
func (c *Cluster) fluxObjects(ctx context.Context) ([]string, error) {
	var out []string
	kinds, err := c.client.Typed.Discovery().ServerPreferredResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, err
	}
	for _, group := range kinds {
		gv, err := schema.ParseGroupVersion(group.GroupVersion)
		if err != nil || !strings.HasSuffix(gv.Group, ".toolkit.fluxcd.io") {
			continue
		}
		out = append(out, "the kinds of "+group.GroupVersion)
		for _, r := range group.APIResources {
			if strings.Contains(r.Name, "/") {
				continue
			}
			list, err := c.list(ctx, schema.GroupKind{Group: gv.Group, Kind: r.Kind}, "")
			if err != nil {
				return nil, err
			}
			for _, o := range list {
				what := fmt.Sprintf("%s %s/%s", o.GetKind(), o.GetNamespace(), o.GetName())
				if url, ok, _ := unstructured.NestedString(o.Object, "spec", "url"); ok {
					what += " of " + url
				}
				out = append(out, what)
			}
		}
	}
	controllers, err := c.list(ctx, schema.GroupKind{Group: "apps", Kind: "Deployment"}, "app.kubernetes.io/part-of=flux")
	if err != nil {
		return nil, err
	}
	for _, o := range controllers {
		out = append(out, fmt.Sprintf("Deployment %s/%s", o.GetNamespace(), o.GetName()))
	}
	return out, nil
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

// lookFor finds the objects that the repo declares and the cluster already has. An
// existing Helm release of the name of a HelmRelease counts, too: Flux would take it
// over, and the end of the rehearsal would remove it.
func (c *Cluster) lookFor(ctx context.Context, planned []cluster.Object, found *contents) error {
	releases, err := c.list(ctx, schema.GroupKind{Kind: "Secret"}, "owner=helm")
	if err != nil {
		return err
	}
	for _, o := range planned {
		for _, r := range releases {
			if o.Kind == "HelmRelease" && (r.GetLabels()["name"] == o.Name || r.GetLabels()["name"] == o.Namespace+"-"+o.Name) {
				found.taken = append(found.taken, fmt.Sprintf("Helm release %s/%s", r.GetNamespace(), r.GetLabels()["name"]))
			}
		}
		r, err := c.client.Resource(kube.Object(o.APIVersion(), o.Kind, o.Namespace, o.Name, nil))
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
		found.taken = append(found.taken, o.String())
	}
	return nil
}

// refuse says why the cluster is not fit for a rehearsal.
func (c contents) refuse() error {
	const fresh = "rehearse in a scratch cluster: a vcluster, k3d, or a spare workload cluster"
	if len(c.flux) > 0 {
		return hint.New(fmt.Sprintf("the cluster at %s already has Flux, for something else: %s", c.server, some(c.flux)), fresh+"; or remove it with flux uninstall")
	}
	if len(c.taken) > 0 {
		return hint.New(fmt.Sprintf("the cluster at %s already has what the repo declares or a rehearsal needs, and it would be changed and then deleted: %s", c.server, some(c.taken)), fresh)
	}
	return nil
}

// plan says, for a person, what a rehearsal adds to the cluster.
func (c contents) plan() string {
	add := []string{"Flux in namespace " + fluxNamespace, "a Gitea in namespace " + Namespace, "what the repo's layers declare"}
	if !c.kapp {
		add = append(add, "kapp-controller (packages in "+c.global+" are global)")
	}
	return fmt.Sprintf("rehearsing in the cluster at %s: adds, and removes at the end, %s", c.server, strings.Join(add, ", "))
}

// some lists the first few of many.
func some(all []string) string {
	const most = 8
	if len(all) > most {
		return strings.Join(all[:most], ", ") + fmt.Sprintf(" and %d more", len(all)-most)
	}
	return strings.Join(all, ", ")
}
