package check

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// sharedObject finds objects that two layers apply with different content. Both layers are Ready, and the object
// changes each time that one of them is reconciled. The same content in both is left alone: only its owner changes.
func sharedObject(r *gitops.Repo, _ Options) []finding.Finding {
	type owner struct {
		layer  *gitops.Layer
		object *gitops.Object
	}
	owners := map[string]owner{}
	var out []finding.Finding
	for _, l := range r.Layers {
		if r.Asleep(l) {
			continue
		}
		for _, o := range l.Objects {
			id := o.GroupVersionKind().Group + "/" + o.Identity()
			first, known := owners[id]
			if !known {
				owners[id] = owner{l, o}
				continue
			}
			if (first.layer == l && first.object.File == o.File) || shares(o) || shares(first.object) || same(first.object, o) {
				continue
			}
			f := about(l, o, finding.SharedObject)
			f.Severity = finding.Warning
			if first.layer == l {
				f.Message = fmt.Sprintf("%s:%d has the same object, with different content", first.object.File, first.object.Line)
				f.Fix = "keep one of them"
			} else {
				f.Message = fmt.Sprintf("layers %s and %s both apply it, with different content: it changes whenever one of them is reconciled", first.layer.Title(), l.Title())
				f.Fix = separate(r, first.layer, l)
			}
			out = append(out, f)
		}
	}
	return out
}

// separate says how two layers that apply the same are told apart.
func separate(r *gitops.Repo, a, b *gitops.Layer) string {
	for _, pair := range [][2]*gitops.Layer{{a, b}, {b, a}} {
		outer, inner := pair[0], pair[1]
		if (outer.Path == "" || strings.HasPrefix(inner.Path, outer.Path+"/")) && !r.HasKustomization(outer.Path) {
			return fmt.Sprintf("move %s out of %s, or add a kustomization.yaml there: without one, %s takes every file below it", inner.Path, outer.Path, outer.Title())
		}
	}
	return fmt.Sprintf("leave it to one of %s and %s", a.Title(), b.Title())
}

// shares says whether an object asks Flux to leave what others write.
func shares(o *gitops.Object) bool {
	return o.GetAnnotations()["kustomize.toolkit.fluxcd.io/ssa"] != "" || o.GetAnnotations()["kustomize.toolkit.fluxcd.io/reconcile"] == "disabled"
}

func same(a, b *gitops.Object) bool {
	return equality.Semantic.DeepEqual(a.Object, b.Object)
}
