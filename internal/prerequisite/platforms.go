package prerequisite

import (
	"maps"
	"slices"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/kinds"
)

// platforms takes the kinds that a sort of cluster has by itself, and that nothing in the repo brings, for those of the
// repo's cluster.
func (f *finder) platforms() {
	groups := map[string][]string{} // by platform
	for _, l := range f.repo.Layers {
		for _, o := range l.Objects {
			group := o.GroupVersionKind().Group
			if p := kinds.Platform(group); p != "" && !installed[group] && !slices.Contains(groups[p], group) && !f.installed(group) {
				groups[p] = append(groups[p], group)
			}
		}
	}
	for _, p := range slices.Sorted(maps.Keys(groups)) {
		slices.Sort(groups[p])
		f.out = append(f.out, Assumption{What: "the kinds of " + p, Why: "layers use them, and clusters of it have them by themselves", Groups: groups[p]})
	}
}

// installed says whether a layer brings the kinds of a group.
func (f *finder) installed(group string) bool {
	return slices.ContainsFunc(f.repo.Layers, func(l *gitops.Layer) bool { return l.DefinesGroup(group) || l.Provider(group) != nil })
}
