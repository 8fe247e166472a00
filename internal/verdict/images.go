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
	var images, wanted []string
	for _, list := range []string{"initContainers", "containers"} {
		for _, c := range mapsIn(spec[list]) {
			image, _ := c["image"].(string)
			if image == "" {
				continue // an admission webhook may fill it in; the API server refuses the pod otherwise
			}
			if _, err := dockerref.ParseNormalizedNamed(image); err != nil {
				f := k.owner(u)
				f.Code, f.Severity = finding.ImageInvalid, finding.Error
				f.Message = fmt.Sprintf("pods of %s %s run %q, which is no reference to an image", u.GetKind(), u.GetName(), image)
				f.Fix = "write registry/repository:tag in lower case, with no text around it"
				f.Evidence = "a kubelet would report InvalidImageName: " + err.Error()
				out = append(out, f)
				continue
			}
			want, bypass := p.Bypass(image)
			if !bypass || slices.Contains(images, image) {
				continue
			}
			images = append(images, image)
			if want != "" {
				wanted = append(wanted, want)
			}
		}
	}
	if len(images) == 0 {
		return out
	}
	f := k.owner(u)
	f.Code, f.Severity = finding.ImageBypassesProxy, finding.Warning
	f.Message = fmt.Sprintf("pods of %s %s pull %s directly, and not through the registry proxy", u.GetKind(), u.GetName(), strings.Join(images, ", "))
	f.Fix = "name a proxy of its registry in registryProxy, or list it in directImages of ConfigMap cluster-essentials with the reason"
	if len(wanted) > 0 {
		f.Fix = fmt.Sprintf("have it pulled as %s: by the chart's registry values, or the images of spec.postRenderers", strings.Join(wanted, ", "))
	}
	return append(out, f)
}
