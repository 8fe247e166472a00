package gitops

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Flux's source-watcher makes artifacts of parts of other sources, as ArtifactGenerators say.
var (
	artifactGenerator = schema.GroupKind{Group: "source.extensions.fluxcd.io", Kind: "ArtifactGenerator"}
	externalArtifact  = "ExternalArtifact"
)

// composed is the tree of an ExternalArtifact, put together as source-watcher does; nil, and why it can't be
// known here, if it is made of what the repo does not hold.
func (r *Repo) composed(ref SourceRef) (*Tree, string) {
	key := r.Path + "\x00" + ref.Identity()
	if v, ok := r.views[key]; ok {
		return v, ""
	}
	for _, g := range r.generators() {
		if cmp.Or(g.namespace(), ref.Namespace) != ref.Namespace {
			continue
		}
		for _, a := range mappings(g.value("spec", "artifacts")) {
			if nested(a, "name") != ref.Name {
				continue
			}
			v, why := r.compose(mappings(g.value("spec", "sources")), mappings(a["copy"]), ref.Namespace)
			if v != nil {
				r.views[key] = v
			}
			return v, why
		}
	}
	return nil, "nothing in the repo makes " + ref.Identity()
}

// generators are the ArtifactGenerators: those that layers apply come first, then those of the cluster's folder.
func (r *Repo) generators() []document {
	var applied, own, others []document
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.Is(artifactGenerator) {
				applied = append(applied, document{content: o.Object})
			}
		}
	}
	for _, name := range r.names() {
		for _, d := range r.files[name].docs {
			switch {
			case d.gk() != artifactGenerator:
			case r.Path == "" || strings.HasPrefix(name, r.Path+"/"):
				own = append(own, d)
			default:
				others = append(others, d)
			}
		}
	}
	return slices.Concat(applied, own, others)
}

// mappings are those in a list.
func mappings(v any) []map[string]any {
	list, _ := v.([]any)
	var out []map[string]any
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// maxCopies is how many copies of a generator's artifact are followed: each is tried on each file.
const maxCopies = 200

func (r *Repo) compose(sources, copies []map[string]any, namespace string) (*Tree, string) {
	if len(copies) > maxCopies {
		return nil, fmt.Sprintf("its generator has more than %d copies: no more are followed", maxCopies)
	}
	from := map[string]*Tree{}
	out := r.empty()
	for _, c := range copies {
		alias, pattern, _ := strings.Cut(strings.TrimPrefix(nested(c, "from"), "@"), "/")
		if from[alias] == nil {
			i := slices.IndexFunc(sources, func(s map[string]any) bool { return nested(s, "alias") == alias })
			if i < 0 {
				return nil, fmt.Sprintf("the artifact is copied from @%s, which its generator does not have", alias)
			}
			origin, why := r.origin(sourceRef(sources[i], namespace))
			if origin == nil {
				return nil, cmp.Or(why, "it is made of another source: "+nested(sources[i], "name"))
			}
			from[alias] = origin
		}
		if strategy := nested(c, "strategy"); strategy != "" && strategy != "Overwrite" {
			return nil, "a part of it is put together by strategy " + strategy
		}
		to, ok := strings.CutPrefix(nested(c, "to"), "@artifact/")
		if !ok || strings.Contains(path.Join("/", to), "..") {
			return nil, "a part of it is copied to " + nested(c, "to")
		}
		excluded, _ := c["exclude"].([]any)
		if from[alias].copyInto(out, pattern, to, texts(excluded)) == 0 {
			return nil, "its generator copies what is not there: " + nested(c, "from")
		}
	}
	return out, ""
}

// copyInto copies what pattern matches, as source-watcher does: a path is copied as cp -r does, of a
// pattern that ends with /** what is below, and of any other the whole path. It returns how many files that are.
func (t *Tree) copyInto(v *Tree, pattern, to string, exclude []string) (copied int) {
	single := !strings.ContainsAny(pattern, "*?[]")
	from := clean(pattern)
	t.each(func(name string, _ []byte) {
		as, selected := "", from
		switch {
		case single && name == from:
			as = to
			if to == "" || strings.HasSuffix(to, "/") || v.memory.IsDir(at(to)) {
				as = path.Join(to, path.Base(name))
			}
			selected = ""
		case single && strings.HasPrefix(name, from+"/"):
			as = path.Join(to, path.Base(from), strings.TrimPrefix(name, from+"/"))
		case !single && matches(pattern, name):
			as = path.Join(to, name)
			if dir, all := strings.CutSuffix(pattern, "/**"); all && strings.HasPrefix(name, dir+"/") {
				as = path.Join(to, strings.TrimPrefix(name, dir+"/"))
			}
			selected = literal(pattern)
		}
		if as != "" && !excludes(exclude, name) && !excludes(exclude, strings.TrimPrefix(name, selected+"/")) {
			t.copy(name, v, clean(as))
			copied++
		}
	})
	return copied
}

// matches says whether a pattern matches a file, or a folder on the way to it, which is copied whole.
func matches(pattern, name string) bool {
	for p := name; p != "." && p != "/"; p = path.Dir(p) {
		if ok, err := doublestar.Match(pattern, p); err == nil && ok {
			return true
		}
	}
	return false
}

// literal is what a pattern begins with before its first part that is one.
func literal(pattern string) string {
	parts := strings.Split(pattern, "/")
	i := slices.IndexFunc(parts, func(p string) bool { return strings.ContainsAny(p, "*?[]") })
	return path.Join(parts[:max(i, 0)]...)
}

func excludes(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return doublestar.MatchUnvalidated(p, name) || !strings.Contains(p, "/") && doublestar.MatchUnvalidated(p, path.Base(name))
	})
}
