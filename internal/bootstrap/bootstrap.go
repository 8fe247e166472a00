// Package bootstrap points Flux at the tree to rehearse, as flux bootstrap
// would, and everything else that would leave the rehearsal at stand-ins.
//
// The repo's bytes stay as they are. What must differ is redirected on its way
// into the API server, by admission policies: Flux's server-side apply sees the
// redirected value as its own, so nothing drifts.
package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/secrets"
	"seatrial.dev/seatrial/internal/standin"
)

// Options are what the cluster is bootstrapped with.
type Options struct {
	Repo *gitops.Repo
	// GitURL is where the controllers clone the rehearsed tree.
	GitURL string
	// Key decrypts the repo's SOPS files; nil if it has none.
	Key *secrets.Key
	// Redirects are the sources that stand-ins replace.
	Redirects []standin.Redirect
}

// Prepare puts the policies and the SOPS keys in place. It returns when the
// policies are in force.
func Prepare(ctx context.Context, c *kube.Client, o Options) error {
	policies := []policy{gitPolicy(o), componentsPolicy()}
	for _, r := range o.Redirects {
		policies = append(policies, sourcePolicy(r))
	}
	for i, p := range policies {
		if err := c.Apply(ctx, p.objects(fmt.Sprintf("seatrial-redirect-%d", i))...); err != nil {
			return err
		}
	}
	for _, p := range policies {
		if err := p.await(ctx, c); err != nil {
			return err
		}
	}
	return applyKeys(ctx, c, o)
}

// Start makes the GitRepository and the root Kustomization: Flux begins.
func Start(ctx context.Context, c *kube.Client, o Options) error {
	root := gitops.RootLayer
	spec := map[string]any{
		"interval": "10m", "prune": true, "path": "./" + o.Repo.Path,
		"sourceRef": map[string]any{"kind": "GitRepository", "name": root.Name},
	}
	if l := o.Repo.Layer(root); l != nil && l.Decrypts {
		spec["decryption"] = map[string]any{"provider": "sops", "secretRef": map[string]any{"name": l.DecryptionSecret.Name}}
	}
	return c.Apply(ctx,
		kube.Object("source.toolkit.fluxcd.io/v1", "GitRepository", root.Namespace, root.Name, map[string]any{
			"spec": map[string]any{"interval": "10m", "url": o.GitURL, "ref": map[string]any{"branch": gitrepo.Branch}},
		}),
		kube.Object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", root.Namespace, root.Name, map[string]any{"spec": spec}))
}

// applyKeys makes the Secret that each layer decrypts with.
func applyKeys(ctx context.Context, c *kube.Client, o Options) error {
	if o.Key == nil {
		return nil
	}
	done := map[gitops.Ref]bool{}
	for _, l := range o.Repo.Layers {
		ref := l.DecryptionSecret
		if ref.Name == "" || done[ref] {
			continue
		}
		done[ref] = true
		if ref.Namespace != gitops.FluxNamespace {
			if err := c.Apply(ctx, kube.Object("v1", "Namespace", "", ref.Namespace, nil)); err != nil {
				return err
			}
		}
		secret := kube.Object("v1", "Secret", ref.Namespace, ref.Name, map[string]any{
			"stringData": map[string]any{"age.agekey": string(o.Key.Text())},
		})
		if err := c.Apply(ctx, secret); err != nil {
			return err
		}
	}
	return nil
}

// policy rewrites objects of one kind on their way in.
type policy struct {
	group, resource string
	operations      []any  // empty: CREATE and UPDATE
	when            string // CEL on the object
	patch           string // CEL: a list of JSON patches
	// inForce tries the policy, without a lasting effect.
	inForce func(context.Context, *kube.Client) (bool, error)
}

// rewrites says whether probe, when it is created, gets the value want at a path of fields.
func rewrites(probe *unstructured.Unstructured, want string, fields ...string) func(context.Context, *kube.Client) (bool, error) {
	return func(ctx context.Context, c *kube.Client) (bool, error) {
		r, err := c.Resource(probe)
		if err != nil {
			return false, err
		}
		got, err := r.Create(ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			return false, err
		}
		s, _, _ := unstructured.NestedString(got.Object, fields...)
		return s == want, nil
	}
}

// componentsPolicy keeps Flux's CRDs as the rehearsal's controllers need them. A
// repo that has been bootstrapped brings those of its own Flux version along,
// which may not even serve what the present controllers watch.
func componentsPolicy() policy {
	return policy{
		group: "apiextensions.k8s.io", resource: "customresourcedefinitions", operations: []any{"UPDATE"},
		when:  `object.spec.group.endsWith(".toolkit.fluxcd.io") && object.spec != oldObject.spec`,
		patch: `[JSONPatch{op: "replace", path: "/spec", value: oldObject.spec}]`,
		inForce: func(ctx context.Context, c *kube.Client) (bool, error) {
			r, err := c.Resource(kube.Object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "kustomizations.kustomize.toolkit.fluxcd.io", nil))
			if err != nil {
				return false, err
			}
			const probe = "seatrial-probe"
			patch := []byte(`{"spec":{"names":{"categories":["` + probe + `"]}}}`)
			got, err := r.Patch(ctx, "kustomizations.kustomize.toolkit.fluxcd.io", types.MergePatchType, patch, metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
			if err != nil {
				return false, err
			}
			categories, _, _ := unstructured.NestedStringSlice(got.Object, "spec", "names", "categories")
			return !slices.Contains(categories, probe), nil
		},
	}
}

// gitPolicy keeps the repo's own GitRepository, which a repo that has been
// bootstrapped brings along, at the rehearsed tree instead of production's.
func gitPolicy(o Options) policy {
	urls := []string{}
	for _, l := range o.Repo.Layers {
		for _, obj := range l.Objects {
			if obj.GetKind() == "GitRepository" && (gitops.Ref{Namespace: obj.GetNamespace(), Name: obj.GetName()}) == gitops.RootLayer {
				u, _, _ := unstructured.NestedString(obj.Object, "spec", "url")
				urls = append(urls, quote(u))
			}
		}
	}
	remove := func(field string) string {
		return fmt.Sprintf(`(has(object.spec.%s) ? [JSONPatch{op: "remove", path: "/spec/%s"}] : [])`, field, field)
	}
	return policy{
		group: "source.toolkit.fluxcd.io", resource: "gitrepositories",
		when: fmt.Sprintf(`object.spec.url != %s && ((object.metadata.namespace == %s && object.metadata.name == %s) || object.spec.url in [%s])`,
			quote(o.GitURL), quote(gitops.RootLayer.Namespace), quote(gitops.RootLayer.Name), strings.Join(urls, ", ")),
		patch: fmt.Sprintf(`[JSONPatch{op: "replace", path: "/spec/url", value: %s}, JSONPatch{op: "add", path: "/spec/ref", value: Object.spec.ref{branch: %s}}] + %s + %s + %s + %s`,
			quote(o.GitURL), quote(gitrepo.Branch), remove("secretRef"), remove("verify"), remove("proxySecretRef"), remove("provider")),
		inForce: rewrites(kube.Object("source.toolkit.fluxcd.io/v1", "GitRepository", gitops.RootLayer.Namespace, gitops.RootLayer.Name, map[string]any{
			"spec": map[string]any{"interval": "1m", "url": "https://seatrial.invalid/probe"},
		}), o.GitURL, "spec", "url"),
	}
}

func sourcePolicy(r standin.Redirect) policy {
	if r.Kind == "PackageRepository" {
		return policy{
			group: "packaging.carvel.dev", resource: "packagerepositories",
			when:  `has(object.spec.fetch.imgpkgBundle) && object.spec.fetch.imgpkgBundle.image == ` + quote(r.Upstream),
			patch: fmt.Sprintf(`[JSONPatch{op: "replace", path: "/spec/fetch/imgpkgBundle/image", value: %s}]`, quote(r.URL)),
			inForce: rewrites(kube.Object("packaging.carvel.dev/v1alpha1", "PackageRepository", metav1.NamespaceDefault, "seatrial-probe", map[string]any{
				"spec": map[string]any{"fetch": map[string]any{"imgpkgBundle": map[string]any{"image": r.Upstream}}},
			}), r.URL, "spec", "fetch", "imgpkgBundle", "image"),
		}
	}
	patches := fmt.Sprintf(`JSONPatch{op: "replace", path: "/spec/url", value: %s}`, quote(r.URL))
	spec := map[string]any{"interval": "1m", "url": r.Upstream}
	if r.Insecure {
		patches += `, JSONPatch{op: "add", path: "/spec/insecure", value: true}`
		spec["type"] = "oci"
	}
	return policy{
		group: "source.toolkit.fluxcd.io", resource: "helmrepositories",
		when:    `object.spec.url == ` + quote(r.Upstream),
		patch:   "[" + patches + "]",
		inForce: rewrites(kube.Object("source.toolkit.fluxcd.io/v1", "HelmRepository", metav1.NamespaceDefault, "seatrial-probe", map[string]any{"spec": spec}), r.URL, "spec", "url"),
	}
}

// quote writes a CEL string.
func quote(s string) string { return fmt.Sprintf("%q", s) }

func (p policy) objects(name string) []*unstructured.Unstructured {
	const api = "admissionregistration.k8s.io/v1"
	operations := p.operations
	if len(operations) == 0 {
		operations = []any{"CREATE", "UPDATE"}
	}
	return []*unstructured.Unstructured{
		kube.Object(api, "MutatingAdmissionPolicy", "", name, map[string]any{"spec": map[string]any{
			"failurePolicy": "Fail", "reinvocationPolicy": "IfNeeded",
			"matchConstraints": map[string]any{"resourceRules": []any{map[string]any{
				"apiGroups": []any{p.group}, "apiVersions": []any{"*"}, "resources": []any{p.resource}, "operations": operations,
			}}},
			"matchConditions": []any{map[string]any{"name": "redirected", "expression": p.when}},
			"mutations":       []any{map[string]any{"patchType": "JSONPatch", "jsonPatch": map[string]any{"expression": p.patch}}},
		}}),
		kube.Object(api, "MutatingAdmissionPolicyBinding", "", name, map[string]any{"spec": map[string]any{"policyName": name}}),
	}
}

// await returns when the policy rewrites: the API server takes a moment to
// compile it, and a source that slipped through would leave the rehearsal.
func (p policy) await(ctx context.Context, c *kube.Client) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		yes, err := p.inForce(ctx, c)
		if err == nil && yes {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the policy that redirects %s is not in force after 30s: %w", p.resource, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
