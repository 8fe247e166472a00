package verdict

import (
	"fmt"
	"slices"
	"strings"

	dockerref "github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/platform"
)

// unpulled returns findings about a workload's images that no registry can have, or that do
// not come through the platform's registry proxy.
func (k lookup) unpulled(u *unstructured.Unstructured, spec map[string]any, p platform.Platform) []finding.Finding {
	var out []finding.Finding
	var past, wanted, without []string
	for _, i := range imagesOf(spec) {
		if _, err := dockerref.ParseNormalizedNamed(i.image); err != nil {
			out = append(out, k.invalid(u, i, err))
			continue
		}
		want, bypass := p.Bypass(i.image)
		if !bypass || slices.Contains(past, i.image) {
			continue
		}
		past = append(past, i.image)
		if want != "" {
			wanted = append(wanted, want)
		} else {
			without = append(without, i.image)
		}
	}
	if len(past) == 0 {
		return out
	}
	f := k.owner(u)
	f.Code, f.Severity = finding.ImageBypassesProxy, finding.Warning
	f.Message = fmt.Sprintf("pods of %s %s pull %s past the registry proxy", u.GetKind(), u.GetName(), strings.Join(past, ", "))
	var fixes []string
	if len(wanted) > 0 {
		fixes = append(fixes, fmt.Sprintf("have it pulled as %s: %s", strings.Join(wanted, ", "), whereImagesAre(u)))
	}
	if len(without) > 0 {
		fix := "name a proxy for the registry of " + strings.Join(without, ", ")
		if p.Flavour != "" {
			fix += " under registryProxy in the blueprint, or list it in directImages of ConfigMap cluster-essentials with the reason"
		} else {
			fix += " with --registry-proxy"
		}
		fixes = append(fixes, fix)
	}
	f.Fix = strings.Join(fixes, "; ")
	return append(out, f)
}

// pulled is an image, and what of a pod runs or mounts it.
type pulled struct{ by, image string }

// imagesOf are the images of a pod: of its containers, and of volumes that are images. One that is
// empty is left out: a webhook may fill it in, and the API server refuses the pod otherwise.
func imagesOf(spec map[string]any) []pulled {
	var out []pulled
	add := func(by string, named map[string]any, image any) {
		if text, _ := image.(string); text != "" {
			out = append(out, pulled{fmt.Sprintf("%s %v", by, named["name"]), text})
		}
	}
	for _, list := range []string{"initContainers", "containers"} {
		for _, c := range mapsIn(spec[list]) {
			add("container", c, c["image"])
		}
	}
	for _, v := range mapsIn(spec["volumes"]) {
		if image, ok := v["image"].(map[string]any); ok {
			add("volume", v, image["reference"])
		}
	}
	return out
}

// invalid is the finding about an image that no registry can have.
func (k lookup) invalid(u *unstructured.Unstructured, i pulled, err error) finding.Finding {
	f := k.owner(u)
	f.Code, f.Severity = finding.ImageInvalid, finding.Error
	f.Message = fmt.Sprintf("%s of %s %s takes %q, which is no reference to an image", i.by, u.GetKind(), u.GetName(), i.image)
	f.Fix = "write registry/repository:tag, the repository in lower case"
	if _, rest, variable := strings.Cut(i.image, "${"); variable {
		name, _, _ := strings.Cut(rest, "}")
		f.Fix = fmt.Sprintf("give %s a value in the layer's postBuild.substitute: without postBuild, Flux leaves it as it is", name)
	}
	f.Evidence = "a kubelet would report InvalidImageName: " + err.Error()
	return f
}

// whereImagesAre says where the owner of a workload's manifest changes an image.
func whereImagesAre(u *unstructured.Unstructured) string {
	switch labels := u.GetLabels(); {
	case labels["helm.toolkit.fluxcd.io/name"] != "":
		return "by the chart's registry values, or the images of spec.postRenderers"
	case labels["kapp.k14s.io/app"] != "":
		return "by an overlay of the package (annotation ext.packaging.carvel.dev/ytt-paths-from-secret-name.0 of its PackageInstall)"
	}
	return "in its manifest, or by images in the layer's kustomization.yaml"
}
