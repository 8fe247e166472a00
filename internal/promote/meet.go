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

	"seatrial.dev/seatrial/internal/artifact"
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

// commit is the commit that the cluster runs; "" if its source has fetched nothing.
func (r running) commit() string {
	if r.source == nil {
		return ""
	}
	if r.source.GetKind() == ociRepository {
		made, _, _ := unstructured.NestedString(r.source.Object, "status", "artifact", "metadata", artifact.Revision)
		return strings.TrimPrefix(made, "sha1:")
	}
	_, commit, _ := strings.Cut(r.revision, "@")
	return strings.TrimPrefix(commit, "sha1:")
}

// branch is the branch that the cluster tracks; "" if it tracks something else.
func (r running) branch() string {
	branch, _, _ := unstructured.NestedString(r.source.Object, "spec", "ref", "branch")
	return branch
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
func (p *promotion) sameSync(ctx context.Context) {
	if p.runs.source == nil {
		p.refuse("the source of the cluster's first layer is not there", "see flux get sources all --all-namespaces on it, and mend that first")
		return
	}
	for _, o := range []*unstructured.Unstructured{p.runs.root, p.runs.source} {
		if suspended, _, _ := unstructured.NestedBool(o.Object, "spec", "suspend"); suspended {
			p.refuse(fmt.Sprintf("%s %s/%s is suspended on the cluster: it would not see what is delivered", o.GetKind(), o.GetNamespace(), o.GetName()), "resume it: flux resume")
		}
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
	for _, key := range []string{"commit", "name", "semver", "tag"} {
		if got := text(p.runs.source, "spec", "ref", key); got != "" {
			p.refuse(fmt.Sprintf("the cluster's GitRepository is pinned by %s %s, and delivery %s moves branch %s", key, got, d.Type, d.Branch), "have it track the branch alone")
		}
	}
	if remote, err := p.Clone.URL(ctx, d.Remote); err != nil {
		p.refuse(err.Error(), hint.Of(err))
	} else if got := text(p.runs.source, "spec", "url"); repositoryOf(got) != repositoryOf(remote) {
		p.refuse(fmt.Sprintf("Flux on the cluster tracks %s, and the clone's remote %s is another repository", got, d.Remote), "promote from a clone of what the cluster tracks, or name the remote that it is")
	}
	if got := text(p.runs.source, "spec", "ref", "branch"); got != d.Branch {
		p.refuse(fmt.Sprintf("Flux on the cluster tracks branch %q, and delivery %s moves %s", got, d.Type, d.Branch), "name that branch in the delivery, or point its GitRepository at "+d.Branch)
	}
}

// repositoryOf is the end of a repository's address, owner and name: the host may be known by several names.
func repositoryOf(address string) string {
	address = strings.TrimSuffix(strings.TrimSuffix(address, "/"), ".git")
	if _, after, ok := strings.Cut(address, "://"); ok {
		_, address, _ = strings.Cut(after, "/")
	} else if _, after, ok := strings.Cut(address, ":"); ok {
		address = after
	}
	parts := strings.FieldsFunc(address, func(r rune) bool { return r == '/' })
	return strings.Join(parts[max(0, len(parts)-2):], "/")
}
