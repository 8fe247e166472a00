package check

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// wait is something that a layer needs of another one.
type wait struct {
	object *gitops.Object
	on     *gitops.Layer
	what   string
	// sure is true if the layer can't be applied without.
	sure bool
}

// circularWaits finds layers that need something of each other, without that their dependsOn says so: kinds that a release or
// package of the other one installs, or an issuer of certificates.
func circularWaits(r *gitops.Repo, _ Options) []finding.Finding {
	waits := map[gitops.Ref][]wait{}
	for _, l := range r.Layers {
		if l.Ref != r.Root {
			waits[l.Ref] = append(forKinds(r, l), forIssuers(r, l)...)
		}
	}
	var out []finding.Finding
	said := map[string]bool{}
	for _, l := range r.Layers {
		for _, w := range waits[l.Ref] {
			back := ""
			sure := w.sure
			if r.Ancestors(w.on)[l.Ref] {
				back = w.on.Title() + " depends on " + l.Title()
			}
			for _, b := range waits[w.on.Ref] {
				if b.on == l && back == "" {
					back, sure = fmt.Sprintf("%s in %s needs %s of %s", b.object.Identity(), w.on.Title(), b.what, l.Title()), sure && b.sure
				}
			}
			pair := l.String() + " " + w.on.String()
			if back == "" || said[pair] {
				continue
			}
			said[pair], said[w.on.String()+" "+l.String()] = true, true
			f := about(l, w.object, finding.DependencyCycle)
			if !sure {
				f.Severity = finding.Warning
			}
			f.Message = fmt.Sprintf("%s and %s wait for each other: it needs %s of %s, and %s", l.Title(), w.on.Title(), w.what, w.on.Title(), back)
			f.Fix = fmt.Sprintf("move what %s and %s need of each other into a layer that both depend on", l.Title(), w.on.Title())
			out = append(out, f)
		}
	}
	return out
}

// forKinds are the kinds that a layer uses and another one installs.
func forKinds(r *gitops.Repo, l *gitops.Layer) []wait {
	var out []wait
	asked := map[string]bool{}
	for _, o := range l.Objects {
		group := o.GroupVersionKind().Group
		if asked[group] || l.Installer(group) != nil || early(r, l, group) {
			continue
		}
		asked[group] = true
		var by []*gitops.Layer
		for _, other := range r.Layers {
			if other != l && other.Ref != r.Root && other.Installer(group) != nil {
				by = append(by, other)
			}
		}
		for _, other := range by {
			out = append(out, wait{o, other, "the kinds of " + group, len(by) == 1})
		}
	}
	return out
}

var word = regexp.MustCompile(`[a-z0-9]{4,}`)

// forIssuers are the issuers that a layer's certificates name and another layer brings: as an object or, where nobody brings
// it as one, by a release that the issuer is named after.
func forIssuers(r *gitops.Repo, l *gitops.Layer) []wait {
	var out []wait
	for _, o := range l.Objects {
		name, _, _ := unstructured.NestedString(o.Object, "spec", "issuerRef", "name")
		kind, _, _ := unstructured.NestedString(o.Object, "spec", "issuerRef", "kind")
		if o.GetKind() != "Certificate" || name == "" {
			continue
		}
		namespace := o.GetNamespace()
		if kind == "ClusterIssuer" {
			namespace = ""
		}
		if _, by := r.Applied(gitops.Identity(kind, namespace, name)); by != nil {
			if by != l {
				out = append(out, wait{o, by, kind + " " + name, false})
			}
			continue
		}
		for _, other := range r.Layers {
			if other == l || other.Ref == r.Root {
				continue
			}
			for _, release := range other.Objects {
				if release.Is(gitops.HelmReleaseKind) && strings.Contains(" "+strings.Join(word.FindAllString(name, -1), " ")+" ", " "+release.GetName()+" ") {
					out = append(out, wait{o, other, fmt.Sprintf("%s %s, which no layer brings and which is named after release %s,", kind, name, release.GetName()), false})
				}
			}
		}
	}
	return out
}
