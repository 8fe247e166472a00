package verdict

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/timing"
)

// Path is the critical path of the layers, from the judge's start to end: what the last
// layer had waited for, and what that had waited for, and so on.
func (j *Judge) Path(c live.View, a Assessment, end time.Time) []timing.Span {
	p := &pathfinder{judge: j, view: c, layers: a.Layers, path: timing.Begin(j.start), on: map[live.Ref]bool{}}
	if last, _ := p.lastOf(p.layers); last != nil {
		p.layer(last)
	}
	if slices.ContainsFunc(a.Layers, func(l *Layer) bool { return l.Status != Reconciled }) {
		p.path.Until(j.changed, "the others are tried, and tried again", timing.Flux)
		p.path.Until(end, "nothing changes any more: make sure", timing.Ours)
	}
	p.path.Until(end, "see that all is reconciled", timing.Ours)
	return p.path.Spans()
}

// pathfinder goes back from what was ready last, and adds spans on the way forth.
type pathfinder struct {
	judge  *Judge
	view   live.View
	layers []*Layer
	path   *timing.Path
	on     map[live.Ref]bool // what is on the path already, as a graph may have circles
}

// layer adds the path to a layer's being reconciled.
func (p *pathfinder) layer(l *Layer) {
	ref, t := l.ref(), p.judge.times
	if p.on[ref] {
		return
	}
	p.on[ref] = true
	name := "layer " + l.Title()
	if before, ready := p.lastOf(p.dependencies(l)); before != nil && ready.After(t.seen[ref]) {
		p.layer(before)
		p.path.Until(t.started[ref], name+" is taken up", timing.Kustomize)
	} else {
		if by := p.declares(l); by != nil {
			p.applies(by)
		}
		p.path.Until(t.seen[ref], name+" is created", timing.Kustomize)
		p.source(l)
		p.path.Until(t.started[ref], name+" is taken up", timing.Kustomize)
	}
	p.path.Until(t.applied[ref], name+" is built and applied", timing.Kustomize)
	if object, ready := p.lastObject(l); ready.After(t.applied[ref]) {
		p.object(object)
	}
	p.path.Until(t.ready[ref], name+" is found ready", timing.Kustomize)
}

// applies adds the path to the moment at which a layer has applied its objects.
func (p *pathfinder) applies(l *Layer) {
	ref, t := l.ref(), p.judge.times
	if p.on[ref] {
		return
	}
	p.on[ref] = true
	p.source(l)
	p.path.Until(t.started[ref], "layer "+l.Title()+" is taken up", timing.Kustomize)
	p.path.Until(t.applied[ref], "layer "+l.Title()+" is built and applied", timing.Kustomize)
}

// source adds the path to the artifact that a layer is built from.
func (p *pathfinder) source(l *Layer) {
	if l.live == nil {
		return // it was reconciled once, and is gone
	}
	kind, _, _ := unstructured.NestedString(l.live.Object, "spec", "sourceRef", "kind")
	name, _, _ := unstructured.NestedString(l.live.Object, "spec", "sourceRef", "name")
	namespace, _, _ := unstructured.NestedString(l.live.Object, "spec", "sourceRef", "namespace")
	ref := live.Ref{
		GroupKind: schema.GroupKind{Group: gitops.GitRepositoryKind.Group, Kind: kind},
		Namespace: cmp.Or(namespace, l.Namespace), Name: name,
	}
	if ref.GroupKind == gitops.ExternalArtifactKind {
		p.path.Until(p.judge.times.ready[ref], ref.Identity()+" is made", timing.Watcher)
		return
	}
	p.path.Until(p.judge.times.ready[ref], ref.Identity()+" is fetched", timing.Source)
}

// object adds the path to an object's being current.
func (p *pathfinder) object(ref live.Ref) {
	t := p.judge.times
	if p.on[ref] {
		return
	}
	p.on[ref] = true
	switch {
	case ref.GroupKind == gitops.HelmReleaseKind:
		if before, ready := t.ready.last(p.needs(ref)); ready.After(t.seen[ref]) {
			p.object(before)
			p.path.Until(t.started[ref], ref.Identity()+" is taken up", timing.Helm)
		}
		chart := live.Ref{GroupKind: gitops.HelmChartKind, Namespace: ref.Namespace, Name: ref.Namespace + "-" + ref.Name}
		p.path.Until(t.ready[chart], "the chart of "+ref.Identity()+" is fetched", timing.Source)
		p.path.Until(t.ready[ref], ref.Identity()+" is installed", timing.Helm)
	case carvel(ref.GroupKind):
		p.path.Until(t.ready[ref], ref.Identity()+" is installed", timing.Kapp)
	default:
		p.path.Until(t.ready[ref], ref.Identity()+" becomes ready", timing.Kubernetes)
	}
}

// needs are the releases that a release depends on.
func (p *pathfinder) needs(ref live.Ref) []live.Ref {
	u, _ := p.view.Get(ref)
	if u == nil {
		return nil
	}
	return dependsOn(u)
}

// dependencies are the layers that a layer depends on.
func (p *pathfinder) dependencies(l *Layer) []*Layer {
	var out []*Layer
	for _, d := range l.DependsOn {
		if i := slices.IndexFunc(p.layers, func(l *Layer) bool { return l.Ref == d.Ref }); i >= 0 {
			out = append(out, p.layers[i])
		}
	}
	return out
}

// lastOf is the layer of some that was reconciled last, and when; nil if none was.
func (p *pathfinder) lastOf(layers []*Layer) (last *Layer, ready time.Time) {
	for _, l := range layers {
		if at := p.judge.times.ready[l.ref()]; at.After(ready) {
			last, ready = l, at
		}
	}
	return last, ready
}

// declares is the layer whose inventory holds another, or nil.
func (p *pathfinder) declares(l *Layer) *Layer {
	for _, by := range p.layers {
		if by.live != nil && by != l && slices.Contains(live.Inventory(by.live), l.ref()) {
			return by
		}
	}
	return nil
}

// lastObject is the object of a layer's inventory that was current last, and when.
func (p *pathfinder) lastObject(l *Layer) (live.Ref, time.Time) {
	if l.live == nil {
		return live.Ref{}, time.Time{}
	}
	return p.judge.times.ready.last(slices.DeleteFunc(live.Inventory(l.live), func(ref live.Ref) bool {
		return ref.GroupKind == gitops.KustomizationKind // a layer of its own
	}))
}
