package kinds

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/spelling"
)

//go:embed kinds.txt
var kindsFile string

// Kind is a kind of an API group.
type Kind struct {
	Name       string // as in an object's kind
	Plural     string
	Namespaced bool
}

// names is kinds.txt, by API group and in its order, read when it is first needed. It is part of
// the program, and a test reads it.
var names = sync.OnceValue(func() map[string][]Kind {
	all, err := readKinds(kindsFile)
	if err != nil {
		panic(err)
	}
	return all
})

// readKinds reads a text in the form of kinds.txt: API groups, each followed by the indented lines of its
// kinds. A line that is neither, or that comes twice, is an error.
func readKinds(text string) (map[string][]Kind, error) {
	out := map[string][]Kind{}
	group := ""
	for i, line := range strings.Split(text, "\n") {
		wrong := func(what string) error { return fmt.Errorf("kinds.txt:%d: %s: %q", i+1, what, line) }
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(line, "#"):
			continue
		case !strings.HasPrefix(line, "  "):
			if group = line; len(words) != 1 || out[group] != nil {
				return nil, wrong("want an API group, once")
			}
			out[group] = []Kind{}
			continue
		case group == "":
			return nil, wrong("a kind before any API group")
		}
		k := Kind{Name: words[0], Plural: plural(words[0]), Namespaced: true}
		rest := words[1:]
		if len(rest) > 0 && rest[0] == "cluster" {
			k.Namespaced, rest = false, rest[1:]
		}
		if len(rest) > 0 {
			k.Plural, rest = rest[0], rest[1:]
		}
		if len(rest) > 0 || slices.ContainsFunc(out[group], func(o Kind) bool { return o.Name == k.Name }) {
			return nil, wrong("want a kind, once, with its scope and plural")
		}
		out[group] = append(out[group], k)
	}
	return out, nil
}

// Of returns the kinds of an API group that are known here, sorted by name: not always all of them.
func Of(group string) []Kind { return slices.Clone(names()[group]) }

// Lookup returns what is known of a kind.
func Lookup(group, kind string) (k Kind, known bool) {
	all := names()[group]
	i := slices.IndexFunc(all, func(k Kind) bool { return k.Name == kind })
	if i < 0 {
		return Kind{}, false
	}
	return all[i], true
}

// Misspelt says whether a kind is not known, and its group has one that is written nearly so.
func Misspelt(group, kind string) bool {
	var all []string
	for _, k := range names()[group] {
		all = append(all, k.Name)
	}
	return !slices.Contains(all, kind) && spelling.Nearest(kind, all) != ""
}

// plural is the English plural of a kind, in lower case, as CRDs' authors' tools make it.
func plural(kind string) string {
	s := strings.ToLower(kind)
	for _, end := range []string{"s", "x", "z", "ch", "sh"} {
		if strings.HasSuffix(s, end) {
			return s + "es"
		}
	}
	if stem, y := strings.CutSuffix(s, "y"); y && stem != "" && !strings.ContainsRune("aeiou", rune(stem[len(stem)-1])) {
		return stem + "ies"
	}
	return s + "s"
}

// Definition returns a CRD of a kind that takes any content, has a status of its own and is served in all
// the versions given, of which the first is stored. namespaced is what is taken of a kind that
// is not known here.
func Definition(group, kind string, namespaced bool, version string, more ...string) *unstructured.Unstructured {
	k, known := Lookup(group, kind)
	if !known {
		k = Kind{Name: kind, Plural: plural(kind), Namespaced: namespaced}
	}
	scope := "Cluster"
	if k.Namespaced {
		scope = "Namespaced"
	}
	var served []string
	var versions []any
	for _, v := range append([]string{version}, more...) {
		if slices.Contains(served, v) {
			continue
		}
		served = append(served, v)
		versions = append(versions, map[string]any{
			"name": v, "served": true, "storage": len(served) == 1,
			"subresources": map[string]any{"status": map[string]any{}},
			"schema":       map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
		})
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": k.Plural + "." + group},
		"spec": map[string]any{
			"group": group, "scope": scope, "versions": versions,
			"names": map[string]any{"kind": kind, "listKind": kind + "List", "plural": k.Plural, "singular": strings.ToLower(kind)},
		},
	}}
	if isProtected(group) {
		u.SetAnnotations(map[string]string{"api-approved.kubernetes.io": "unapproved, stands in for the real one"})
	}
	return u
}

// isProtected says whether the API server refuses a CRD of a group that does not say who approved it
// (apiextensions-apiserver's pkg/apihelpers).
func isProtected(group string) bool {
	return slices.ContainsFunc([]string{"k8s.io", "kubernetes.io"}, func(d string) bool { return group == d || strings.HasSuffix(group, "."+d) })
}
