package gitops

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// view is the tree as a source of the repo has it: without what the .sourceignore files and the source's
// spec.ignore leave out or, if neither says anything, what source-controller leaves out by itself. Views are made once.
func (t *Tree) view(ignore string) *Tree {
	if v := t.views[ignore]; v != nil {
		return v
	}
	var given []gitignore.Pattern
	t.each(func(name string, b []byte) {
		if path.Base(name) == sourceignore.IgnoreFile {
			given = append(given, sourceignore.ReadPatterns(strings.NewReader(string(b)), domain(path.Dir(name)))...)
		}
	})
	given = append(given, sourceignore.ReadPatterns(strings.NewReader(ignore), nil)...)
	matcher := sourceignore.NewDefaultMatcher(nil, nil)
	if len(given) > 0 { // as source-controller does: its own list is replaced, but for Git's files
		matcher = sourceignore.NewMatcher(append(sourceignore.VCSPatterns(nil), given...))
	}
	v := t.empty()
	for name, f := range t.files {
		if !matcher.Match(strings.Split(name, "/"), false) {
			v.files[name] = f
		}
	}
	t.each(func(name string, b []byte) {
		if !matcher.Match(strings.Split(name, "/"), false) {
			v.put(name, b)
		}
	})
	t.views[ignore] = v
	return v
}

// empty is a view without files.
func (t *Tree) empty() *Tree {
	v := *t
	v.sealed, v.sorted, v.clusters, v.sources, v.referred = nil, nil, nil, nil, nil
	v.contents = map[string][]byte{}
	v.memory, v.files, v.objects, v.moved = filesys.MakeFsInMemory(), map[string]*file{}, map[string]int{}, map[string]string{}
	_ = v.memory.MkdirAll(base) // memory has no errors
	return &v
}

// each calls f with each file that is in memory, by name.
func (t *Tree) each(f func(name string, b []byte)) {
	for _, name := range slices.Sorted(maps.Keys(t.contents)) {
		f(name, t.contents[name])
	}
}

// copy has v hold a file of t, under a name of its own.
func (t *Tree) copy(name string, v *Tree, as string) {
	if f := t.files[name]; f != nil {
		v.files[as] = f
	}
	if b, err := t.memory.ReadFile(at(name)); err == nil {
		v.put(as, b)
	}
	v.moved[as] = t.original(name)
}

func domain(dir string) []string {
	if dir == "." || dir == "" {
		return nil
	}
	return strings.Split(dir, "/")
}
