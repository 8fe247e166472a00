package promote

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/clone"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/platform"
	"seatrial.dev/seatrial/internal/secrets"
)

// Plan is what a promotion changes.
type Plan struct {
	Commits []clone.Subject `json:"commits,omitempty"`
	Files   []clone.Change  `json:"files,omitempty"`
	// Layers are those in which something changes.
	Layers []LayerChange `json:"layers,omitempty"`
	// First is true if the remote has nothing to compare with.
	First bool `json:"first,omitempty"`
	// Bootstrap is true if Flux is going to be bootstrapped.
	Bootstrap bool `json:"bootstrap,omitempty"`
}

// LayerChange is what changes in a layer: objects as Kind/namespace/name.
type LayerChange struct {
	Layer   string   `json:"layer"`
	New     bool     `json:"new,omitempty"`
	Removed bool     `json:"removed,omitempty"`
	Added   []string `json:"added,omitempty"`
	Changed []string `json:"changed,omitempty"`
	// Moved come from another layer that prunes.
	Moved []string `json:"moved,omitempty"`
	// Pruned are deleted from the cluster; Left are no longer applied, and stay.
	Pruned []string `json:"pruned,omitempty"`
	Left   []string `json:"left,omitempty"`
}

// precious are the kinds whose deletion takes data along.
var precious = []string{"PersistentVolumeClaim", "Namespace", "CustomResourceDefinition"}

// model reads the repo, and what the remote has of it.
func (p *promotion) model(ctx context.Context) (err error) {
	after := p.head
	if p.delivered {
		after = p.base // with what flux bootstrap added
	}
	if p.repo, err = p.load(ctx, after); err != nil {
		return err
	}
	p.known = secrets.Known(p.AgeKey, p.repo)
	p.Console.Conceal(func(text string) string { return p.known.Text(p.conceal(text)) })
	for _, l := range p.repo.Layers {
		for _, o := range l.Objects {
			if strings.HasSuffix(o.File, platform.File) {
				text, err := p.Clone.File(ctx, p.head, o.File)
				if err != nil {
					return err
				}
				if p.takes, err = platform.Parse(text); err != nil {
					return fmt.Errorf("%s: %w", o.File, err)
				}
			}
		}
	}
	if err := p.declared(ctx); err != nil {
		return err
	}
	if p.ran == "" {
		return nil
	}
	if p.before, err = p.load(ctx, p.ran); err != nil {
		p.Console.Note(fmt.Sprintf("%.12s, which the cluster runs, has no folder %s: everything in it is new", p.ran, p.target.Path))
		p.before = nil
	}
	return nil
}

func (p *promotion) load(ctx context.Context, commit string) (*gitops.Repo, error) {
	files, err := p.Clone.Files(ctx, commit)
	if err != nil {
		return nil, err
	}
	return gitops.Load(files, p.target.Path)
}

// plan compares what is to be promoted with what the remote has, and refuses to prune what is
// precious.
func (p *promotion) plan(ctx context.Context) (err error) {
	plan := &Plan{Bootstrap: !p.runs.syncs, First: p.base == ""}
	p.result.Plan = plan
	if p.reverted {
		return nil
	}
	if from := cmp.Or(p.ran, p.base); from != "" && !p.delivered {
		if plan.Commits, err = p.Clone.Between(ctx, from, p.head); err != nil {
			return err
		}
		if plan.Files, err = p.Clone.Changes(ctx, from, p.head); err != nil {
			return err
		}
	}
	plan.Layers = compare(p.before, p.repo)
	if p.AllowPrune {
		return nil
	}
	for _, what := range endangered(plan.Layers) {
		p.refuse(what, "keep it (annotation kustomize.toolkit.fluxcd.io/prune: disabled), or allow it: --allow-prune")
	}
	return p.refused()
}

// endangered lists what of precious kinds would be pruned, or may be on its way to another layer.
func endangered(layers []LayerChange) []string {
	var out []string
	for _, l := range layers {
		for how, list := range map[string][]string{"would be pruned from layer " + l.Layer: l.Pruned, "moves to layer " + l.Layer + ", and may be pruned by the one that had it": l.Moved} {
			for _, object := range list {
				if kind, _, _ := strings.Cut(object, "/"); slices.Contains(precious, kind) {
					out = append(out, object+" "+how)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// place is an object and the layer that applies it.
type place struct {
	layer  *gitops.Layer
	object *gitops.Object
}

// objects are those of a repo, by identity and API group.
func objects(r *gitops.Repo) map[string]place {
	out := map[string]place{}
	if r == nil {
		return out
	}
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			out[o.GroupVersionKind().Group+" "+o.Identity()] = place{l, o}
		}
	}
	return out
}

// compare lists, by layer, what changes from one repo to another; before may be nil.
func compare(before, after *gitops.Repo) []LayerChange {
	changes := map[gitops.Ref]*LayerChange{}
	of := func(l *gitops.Layer) *LayerChange {
		if changes[l.Ref] == nil {
			changes[l.Ref] = &LayerChange{
				Layer: l.Name, New: before == nil || before.Layer(l.Ref) == nil, Removed: after.Layer(l.Ref) == nil,
			}
		}
		return changes[l.Ref]
	}
	old, next := objects(before), objects(after)
	for id, n := range next {
		o, known := old[id]
		switch {
		case !known:
			c := of(n.layer)
			c.Added = append(c.Added, n.object.Identity())
		case o.layer.Ref != n.layer.Ref && pruned(o, after):
			c := of(n.layer)
			c.Moved = append(c.Moved, n.object.Identity())
		case !reflect.DeepEqual(o.object.Object, n.object.Object) || o.layer.Ref != n.layer.Ref:
			c := of(n.layer)
			c.Changed = append(c.Changed, n.object.Identity())
		}
	}
	for id, o := range old {
		if _, stays := next[id]; stays {
			continue
		}
		c := of(o.layer)
		if pruned(o, after) {
			c.Pruned = append(c.Pruned, o.object.Identity())
		} else {
			c.Left = append(c.Left, o.object.Identity())
		}
	}
	var out []LayerChange
	for _, c := range changes {
		for _, list := range [][]string{c.Added, c.Changed, c.Moved, c.Pruned, c.Left} {
			slices.Sort(list)
		}
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b LayerChange) int { return cmp.Compare(a.Layer, b.Layer) })
	return out
}

// pruned says whether Flux deletes an object that its layer no longer has.
// decides: of one that is gone, the finalizer prunes by its last word.
func pruned(p place, after *gitops.Repo) bool {
	for _, key := range []string{"kustomize.toolkit.fluxcd.io/prune", "kustomize.toolkit.fluxcd.io/reconcile"} {
		if p.object.GetAnnotations()[key] == "disabled" || p.object.GetLabels()[key] == "disabled" {
			return false
		}
	}
	if now := after.Layer(p.layer.Ref); now != nil {
		return now.Prunes // the layer is changed first
	}
	return p.layer.Prunes
}
