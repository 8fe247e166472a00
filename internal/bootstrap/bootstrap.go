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
	// GitSecret in Flux's namespace has the credentials for that; empty if none are needed.
	GitSecret string
	// Labels are put on everything that is made here.
	Labels map[string]string
	// NoPolicies leaves out the policies, for an API server that has none.
	// Nothing may have to be redirected then.
	NoPolicies bool
	// Key decrypts the repo's SOPS files; nil if it has none.
	Key *secrets.Key
	// Redirects are the sources that stand-ins replace.
	Redirects []standin.Redirect
}

// Prepare puts the policies and the SOPS keys in place. It returns when the
// policies are in force.
func Prepare(ctx context.Context, c *kube.Client, o Options) error {
	if !o.NoPolicies {
		policies := []Policy{gitPolicy(o), componentsPolicy()}
		for _, r := range o.Redirects {
			policies = append(policies, sourcePolicy(r))
		}
		if err := Enforce(ctx, c, "seatrial-redirect", o.Labels, policies...); err != nil {
			return err
		}
	}
	return applyKeys(ctx, c, o)
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
			if err := c.MakeNamespace(ctx, ref.Namespace, nil, o.Labels); err != nil {
				return err
			}
		}
		secret := kube.Object("v1", "Secret", ref.Namespace, ref.Name, map[string]any{
			"stringData": map[string]any{"age.agekey": string(o.Key.Text())},
		})
		if err := c.Apply(ctx, o.labelled(secret)...); err != nil {
			return err
		}
	}
	return nil
}

// componentsPolicy keeps Flux's CRDs as the rehearsal's controllers need them. A
// repo that has been bootstrapped brings those of its own Flux version along,
// which may not even serve what the present controllers watch.
func componentsPolicy() Policy {
	return Policy{
		Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions", Operations: []any{"UPDATE"},
		When:  `object.spec.group.endsWith(".toolkit.fluxcd.io") && object.spec != oldObject.spec`,
		Patch: `[JSONPatch{op: "replace", path: "/spec", value: oldObject.spec}]`,
		InForce: func(ctx context.Context, c *kube.Client) (bool, error) {
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
func gitPolicy(o Options) Policy {
	urls := []string{}
	for _, l := range o.Repo.Layers {
		for _, obj := range l.Objects {
			if obj.GetKind() == "GitRepository" && (gitops.Ref{Namespace: obj.GetNamespace(), Name: obj.GetName()}) == gitops.RootLayer {
				u, _, _ := unstructured.NestedString(obj.Object, "spec", "url")
				urls = append(urls, Quote(u))
			}
		}
	}
	remove := func(field string) string {
		return fmt.Sprintf(`(has(object.spec.%s) ? [JSONPatch{op: "remove", path: "/spec/%s"}] : [])`, field, field)
	}
	credentials := remove("secretRef")
	if o.GitSecret != "" {
		credentials = fmt.Sprintf(`[JSONPatch{op: "add", path: "/spec/secretRef", value: Object.spec.secretRef{name: %s}}]`, Quote(o.GitSecret))
	}
	return Policy{
		Group: "source.toolkit.fluxcd.io", Resource: "gitrepositories",
		When: fmt.Sprintf(`object.spec.url != %s && ((object.metadata.namespace == %s && object.metadata.name == %s) || object.spec.url in [%s])`,
			Quote(o.GitURL), Quote(gitops.RootLayer.Namespace), Quote(gitops.RootLayer.Name), strings.Join(urls, ", ")),
		Patch: fmt.Sprintf(`[JSONPatch{op: "replace", path: "/spec/url", value: %s}, JSONPatch{op: "add", path: "/spec/ref", value: Object.spec.ref{branch: %s}}] + %s + %s + %s + %s`,
			Quote(o.GitURL), Quote(gitrepo.Branch), credentials, remove("verify"), remove("proxySecretRef"), remove("provider")),
		InForce: Rewrites(kube.Object("source.toolkit.fluxcd.io/v1", "GitRepository", gitops.RootLayer.Namespace, gitops.RootLayer.Name, map[string]any{
			"spec": map[string]any{"interval": "1m", "url": "https://seatrial.invalid/probe"},
		}), o.GitURL, "spec", "url"),
	}
}

func sourcePolicy(r standin.Redirect) Policy {
	if r.Kind == "PackageRepository" {
		return Policy{
			Group: "packaging.carvel.dev", Resource: "packagerepositories",
			When:  `has(object.spec.fetch.imgpkgBundle) && object.spec.fetch.imgpkgBundle.image == ` + Quote(r.Upstream),
			Patch: fmt.Sprintf(`[JSONPatch{op: "replace", path: "/spec/fetch/imgpkgBundle/image", value: %s}]`, Quote(r.URL)),
			InForce: Rewrites(kube.Object("packaging.carvel.dev/v1alpha1", "PackageRepository", metav1.NamespaceDefault, "seatrial-probe", map[string]any{
				"spec": map[string]any{"fetch": map[string]any{"imgpkgBundle": map[string]any{"image": r.Upstream}}},
			}), r.URL, "spec", "fetch", "imgpkgBundle", "image"),
		}
	}
	patches := fmt.Sprintf(`JSONPatch{op: "replace", path: "/spec/url", value: %s}`, Quote(r.URL))
	spec := map[string]any{"interval": "1m", "url": r.Upstream}
	if r.Insecure {
		patches += `, JSONPatch{op: "add", path: "/spec/insecure", value: true}`
		spec["type"] = "oci"
	}
	return Policy{
		Group: "source.toolkit.fluxcd.io", Resource: "helmrepositories",
		When:    `object.spec.url == ` + Quote(r.Upstream),
		Patch:   "[" + patches + "]",
		InForce: Rewrites(kube.Object("source.toolkit.fluxcd.io/v1", "HelmRepository", metav1.NamespaceDefault, "seatrial-probe", map[string]any{"spec": spec}), r.URL, "spec", "url"),
	}
}

func (o Options) labelled(objects ...*unstructured.Unstructured) []*unstructured.Unstructured {
	for _, obj := range objects {
		if len(o.Labels) > 0 {
			obj.SetLabels(o.Labels)
		}
	}
	return objects
}
