package check

import (
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/verdict/cause"
)

// crdAndCR finds objects that share a layer with the release or package that
// installs their kinds: one finding for each such release or package. Flux dry-runs a layer
// as a whole, so one unknown kind keeps all of it, the installer included, from ever being applied.
func crdAndCR(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	for _, l := range r.Layers {
		unborn := map[string]*gitops.Object{} // who installs a group, nil if it is there before the layer
		need := map[*gitops.Object][]*gitops.Object{}
		var order []*gitops.Object
		for _, o := range l.Objects {
			group := o.GroupVersionKind().Group
			provider, known := unborn[group]
			if !known {
				if provider = l.Installer(group); provider != nil && (early(r, l, group) || beside(r, l, group)) {
					provider = nil
				}
				unborn[group] = provider
			}
			if provider == nil {
				continue
			}
			if need[provider] == nil {
				order = append(order, provider)
			}
			need[provider] = append(need[provider], o)
		}
		for _, provider := range order {
			f := about(l, need[provider][0], finding.CRDAndCR)
			f.Message, f.Fix = cause.CRDAndCR(need[provider], provider, l)
			out = append(out, f)
		}
	}
	return out
}

// early says whether the kinds of an API group exist before the layer is applied: before Flux, by
// a CRD of this very layer, which Flux applies first, or by an earlier layer.
func early(r *gitops.Repo, l *gitops.Layer, group string) bool {
	if r.Exists(group) || l.DefinesGroup(group) {
		return true
	}
	earlier := r.Ancestors(l)
	for p := l; p != nil && p.Ref != r.Root && !earlier[p.Parent]; p = r.Layer(p.Parent) {
		earlier[p.Parent] = true // the layer that declares another one is applied before it
	}
	for _, other := range r.Layers {
		if other.Build != nil {
			continue // it never applies anything
		}
		if other != l && other.DefinesGroup(group) {
			return true // only a rehearsal can tell whether that layer comes early enough
		}
		if other != l && earlier[other.Ref] && (other.Installer(group) != nil || other.Foreign || other.Opaque != "") {
			return true
		}
	}
	return false
}

// beside says whether a layer that does not come after this one may bring the kinds of an API group, too: then
// Flux, which tries again, applies this one in the end. The same chart or package does not count: it can't be
// installed twice, as the CRDs are one's or the other's.
func beside(r *gitops.Repo, l *gitops.Layer, group string) bool {
	own := l.Provider(group).Name()
	for _, other := range r.Layers {
		if other == l || r.Ancestors(other)[l.Ref] || within(r, other, l) {
			continue
		}
		crds := (other.Foreign || other.Opaque != "") && strings.Contains(strings.ToLower(other.Name+other.Path), "crd")
		if p := other.Provider(group); crds || p != nil && p.Name() != own {
			return true
		}
	}
	return false
}

// within says whether a layer is declared by another one, or by a layer that is.
func within(r *gitops.Repo, l, outer *gitops.Layer) bool {
	for range r.Layers { // a chain of parents can't be longer, unless it is a circle
		if l == nil || l.Ref == r.Root {
			return false
		}
		if l.Parent == outer.Ref {
			return true
		}
		l = r.Layer(l.Parent)
	}
	return false
}
