package promote

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/policy"
)

// running is what of Flux a cluster runs.
type running struct {
	// installed is true if Flux's kinds are served, and syncs if its first layer is there.
	installed, syncs bool
	// root and source are the first layer and what it takes its manifests from; nil if it is not there.
	root, source *unstructured.Unstructured
	// revision is what the source has fetched last; empty if nothing.
	revision string
}

// The kinds of sources that a first layer is promoted through.
const (
	gitRepository = "GitRepository"
	ociRepository = "OCIRepository"
)

// meet connects to the cluster, sees that it is the one that the policy names, and looks at the Flux
// that it runs.
func (p *promotion) meet(ctx context.Context) (err error) {
	if p.client, err = p.Connect(p.context()); err != nil {
		return err
	}
	ns, err := p.client.Typed.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return hint.Wrap(fmt.Errorf("reach the cluster: %w", err), "see that kubectl get namespace kube-system works with the same kubeconfig and context")
	}
	if got := string(ns.UID); got != p.target.Cluster {
		p.refuse(fmt.Sprintf("the kubeconfig leads to cluster %s, and the policy names %s for target %s", got, p.target.Cluster, p.Name),
			"give the target's kubeconfig or context; if this is the cluster, write cluster: "+got)
		return p.refused()
	}
	if p.runs, err = look(ctx, p.client); err != nil {
		return err
	}
	if p.runs.syncs {
		p.sameSync(ctx)
	}
	return p.refused()
}

// context is the context of the kubeconfig; empty is its current one.
func (p *promotion) context() string { return cmp.Or(p.Context, p.target.Context) }

// look reads the first layer of a cluster, and its source.
func look(ctx context.Context, c *kube.Client) (running, error) {
	var r running
	root, err := get(ctx, c, "kustomize.toolkit.fluxcd.io/v1", "Kustomization", gitops.RootLayer)
	if meta.IsNoMatchError(err) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	r.installed = true
	if root == nil {
		return r, nil
	}
	r.root, r.syncs = root, true
	kind, _, _ := unstructured.NestedString(root.Object, "spec", "sourceRef", "kind")
	name, _, _ := unstructured.NestedString(root.Object, "spec", "sourceRef", "name")
	ns, _, _ := unstructured.NestedString(root.Object, "spec", "sourceRef", "namespace")
	if ns == "" {
		ns = root.GetNamespace()
	}
	if r.source, err = get(ctx, c, "source.toolkit.fluxcd.io/v1", kind, gitops.Ref{Namespace: ns, Name: name}); err != nil {
		return r, err
	}
	if r.source != nil {
		r.revision, _, _ = unstructured.NestedString(r.source.Object, "status", "artifact", "revision")
	}
	return r, nil
}

// get reads an object; nil if it is not there.
func get(ctx context.Context, c *kube.Client, apiVersion, kind string, ref gitops.Ref) (*unstructured.Unstructured, error) {
	r, err := c.Resource(kube.Object(apiVersion, kind, ref.Namespace, ref.Name, nil))
	if err != nil {
		return nil, err
	}
	o, err := r.Get(ctx, ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return o, err
}

// sameSync refuses a cluster whose Flux would not see what is delivered.
func (p *promotion) sameSync(context.Context) {
	if p.runs.source == nil {
		p.refuse("the source of the cluster's first layer is not there", "see flux get sources all --all-namespaces on it, and mend that first")
		return
	}
	text := func(o *unstructured.Unstructured, keys ...string) string {
		s, _, _ := unstructured.NestedString(o.Object, keys...)
		return s
	}
	if got := text(p.runs.root, "spec", "path"); path.Clean("/"+got) != path.Clean("/"+p.target.Path) {
		p.refuse(fmt.Sprintf("Flux on the cluster syncs folder %s, and the policy names %s", got, p.target.Path), "name that folder as the target's path, or another cluster")
	}
	want, d := gitRepository, p.target.Delivery
	if d.Type == policy.ToOCI {
		want = ociRepository
	}
	if kind := p.runs.source.GetKind(); kind != want {
		p.refuse(fmt.Sprintf("Flux on the cluster takes its first layer from a %s, and delivery %s moves a %s", kind, d.Type, want), "choose a delivery that fits it")
		return
	}
	if want == ociRepository {
		if got, tag := text(p.runs.source, "spec", "url"), text(p.runs.source, "spec", "ref", "tag"); got != d.URL || tag != d.Tag {
			p.refuse(fmt.Sprintf("the cluster's OCIRepository tracks %s:%s, and delivery moves %s:%s", got, tag, d.URL, d.Tag), "name what it tracks in the delivery's url and tag")
		}
		return
	}
	if got := text(p.runs.source, "spec", "ref", "branch"); got != d.Branch {
		p.refuse(fmt.Sprintf("Flux on the cluster tracks branch %q, and delivery %s moves %s", got, d.Type, d.Branch), "name that branch in the delivery, or point its GitRepository at "+d.Branch)
	}
	p.runs.revision = strings.TrimSpace(p.runs.revision)
}
