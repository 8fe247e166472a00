// Package redirect points Flux's sources at what is rehearsed: the repo's own
// GitRepository at the rehearsed tree, and the sources that have stand-ins at those.
//
// The repo's files stay as they are: admission policies rewrite the objects on their
// way into the API server. Where all requests of the controllers pass through a door of ours
// (package egress), little is left to rewrite: what the door can't answer under its own address.
package redirect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"seatrial.dev/seatrial/internal/admission"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/standin"
	"seatrial.dev/seatrial/internal/standin/ondemand"
)

// Options are what is redirected, and where to.
type Options struct {
	Repo *gitops.Repo
	// GitURL is where the controllers clone the rehearsed tree.
	GitURL string
	// GitSecret is the name of the Secret in Flux's namespace that has the credentials for
	// GitURL; empty if none are needed.
	GitSecret string
	// Door is true if the controllers' HTTP requests are answered under any address.
	Door bool
	// Served are the sources that stand-ins replace. Those that are at their own address are left alone.
	Served []standin.Served
	// Pinned are OCIRepositories that ask for a chart as no stand-in can be had.
	Pinned []ondemand.Pin
	// Labels are put on the policies; nil: none.
	Labels map[string]string
}

// Enforce applies the policies, and returns when they are in force: see admission.Enforce, which
// gives up after 30 seconds.
func Enforce(ctx context.Context, c *kube.Client, o Options) error {
	policies := []admission.Policy{gitPolicy(o), componentsPolicy()}
	for _, s := range o.Served {
		if s.URL != s.Upstream {
			policies = append(policies, sourcePolicy(s))
		}
	}
	for _, p := range o.Pinned {
		policies = append(policies, pinPolicy(p))
	}
	return admission.Enforce(ctx, c, "seatrial-redirect", o.Labels, policies...)
}

// componentsPolicy keeps Flux's CRDs as the rehearsal's controllers need them. A repo
// that has been bootstrapped contains the CRDs of its own Flux version, which may lack
// versions that these controllers watch.
func componentsPolicy() admission.Policy {
	return admission.Policy{
		Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions", Operations: []any{"UPDATE"},
		When:  `(object.spec.group.endsWith(".toolkit.fluxcd.io") || object.spec.group == "source.extensions.fluxcd.io") && object.spec != oldObject.spec`,
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

// gitPolicy points the repo's own GitRepository at the rehearsed tree. A repo that has
// been bootstrapped contains one that leads to production.
func gitPolicy(o Options) admission.Policy {
	var urls []string
	for _, source := range o.Repo.Sources() {
		if source.Ref() == o.Repo.Source {
			urls = append(urls, admission.Quote(source.URL))
		}
	}
	remove := func(field string) string {
		return fmt.Sprintf(`(has(object.spec.%s) ? [JSONPatch{op: "remove", path: "/spec/%s"}] : [])`, field, field)
	}
	credentials := remove("secretRef")
	if o.GitSecret != "" {
		credentials = fmt.Sprintf(`[JSONPatch{op: "add", path: "/spec/secretRef", value: Object.spec.secretRef{name: %s}}]`, admission.Quote(o.GitSecret))
	}
	address, probe := fmt.Sprintf(`[JSONPatch{op: "replace", path: "/spec/url", value: %s}]`, admission.Quote(o.GitURL)), "https://seatrial.invalid/probe"
	if o.Door {
		// No client sends a request for its own machine to a proxy.
		address = fmt.Sprintf(`(object.spec.url.startsWith("http") && !object.spec.url.matches("^https?://(127[.]|localhost[:/]|[[]::1[]])") ? [] : %s)`, address)
		probe = "ssh://git@seatrial.invalid/probe"
	}
	return admission.Policy{
		Group: "source.toolkit.fluxcd.io", Resource: "gitrepositories",
		When: fmt.Sprintf(`object.spec.url != %s && ((object.metadata.namespace == %s && object.metadata.name == %s) || object.spec.url in [%s])`,
			admission.Quote(o.GitURL), admission.Quote(o.Repo.Source.Namespace), admission.Quote(o.Repo.Source.Name), strings.Join(urls, ", ")),
		Patch: fmt.Sprintf(`%s + [JSONPatch{op: "add", path: "/spec/ref", value: Object.spec.ref{branch: %s}}] + %s + %s + %s + %s`,
			address, admission.Quote(gitrepo.Branch), credentials, remove("verify"), remove("proxySecretRef"), remove("provider")),
		InForce: admission.Rewrites(kube.Object("source.toolkit.fluxcd.io/v1", "GitRepository", o.Repo.Source.Namespace, o.Repo.Source.Name, map[string]any{
			"spec": map[string]any{"interval": "1m", "url": probe},
		}), o.GitURL, "spec", "url"),
	}
}

// sourcePolicy points a source at its stand-in, whichever way the repo writes its address.
func sourcePolicy(s standin.Served) admission.Policy {
	var spellings []string
	for _, spelling := range s.Spellings {
		spellings = append(spellings, admission.Quote(spelling))
	}
	among := " in [" + strings.Join(spellings, ", ") + "]"
	if s.Kind == gitops.PackageRepositoryKind.Kind {
		return admission.Policy{
			Group: "packaging.carvel.dev", Resource: "packagerepositories",
			When:  `has(object.spec.fetch.imgpkgBundle) && object.spec.fetch.imgpkgBundle.image` + among,
			Patch: fmt.Sprintf(`[JSONPatch{op: "replace", path: "/spec/fetch/imgpkgBundle/image", value: %s}]`, admission.Quote(s.URL)),
			InForce: admission.Rewrites(kube.Object("packaging.carvel.dev/v1alpha1", "PackageRepository", metav1.NamespaceDefault, "seatrial-probe", map[string]any{
				"spec": map[string]any{"fetch": map[string]any{"imgpkgBundle": map[string]any{"image": s.Upstream}}},
			}), s.URL, "spec", "fetch", "imgpkgBundle", "image"),
		}
	}
	patches := fmt.Sprintf(`JSONPatch{op: "replace", path: "/spec/url", value: %s}`, admission.Quote(s.URL))
	spec := map[string]any{"interval": "1m", "url": s.Upstream}
	if s.Insecure {
		patches += `, JSONPatch{op: "add", path: "/spec/insecure", value: true}`
		spec["type"] = "oci"
	}
	return admission.Policy{
		Group: "source.toolkit.fluxcd.io", Resource: "helmrepositories",
		When:    `object.spec.url` + among,
		Patch:   "[" + patches + "]",
		InForce: admission.Rewrites(kube.Object("source.toolkit.fluxcd.io/v1", "HelmRepository", metav1.NamespaceDefault, "seatrial-probe", map[string]any{"spec": spec}), s.URL, "spec", "url"),
	}
}

// pinPolicy has an OCIRepository ask for a stand-in's tag where it asks for a digest, and for no signature.
func pinPolicy(p ondemand.Pin) admission.Policy {
	same := fmt.Sprintf(`object.spec.url == %s`, admission.Quote(p.URL))
	ref := map[string]any{"tag": p.Tag}
	if p.Digest != "" {
		ref = map[string]any{"digest": p.Digest}
		same += fmt.Sprintf(` && has(object.spec.ref) && has(object.spec.ref.digest) && object.spec.ref.digest == %s`, admission.Quote(p.Digest))
	} else {
		same += ` && has(object.spec.verify)`
	}
	var patches []string
	if p.Digest != "" {
		patches = append(patches, fmt.Sprintf(`[JSONPatch{op: "replace", path: "/spec/ref", value: Object.spec.ref{tag: %s}}]`, admission.Quote(p.Tag)))
	}
	if p.Verified {
		patches = append(patches, `(has(object.spec.verify) ? [JSONPatch{op: "remove", path: "/spec/verify"}] : [])`)
	}
	spec := map[string]any{"interval": "1m", "url": p.URL, "ref": ref}
	probe := func(spec map[string]any) *unstructured.Unstructured {
		return kube.Object("source.toolkit.fluxcd.io/v1", "OCIRepository", metav1.NamespaceDefault, "seatrial-probe", map[string]any{"spec": spec})
	}
	policy := admission.Policy{
		Group: "source.toolkit.fluxcd.io", Resource: "ocirepositories",
		When: same, Patch: strings.Join(patches, " + "), InForce: admission.Rewrites(probe(spec), p.Tag, "spec", "ref", "tag"),
	}
	if p.Digest == "" {
		spec["verify"] = map[string]any{"provider": "cosign"}
		policy.InForce = admission.Rewrites(probe(spec), "", "spec", "verify", "provider")
	}
	return policy
}
