// Package prerequisite finds what a Flux repo leans on and does not bring by itself: what a bootstrap step
// or a person makes before Flux comes. It is read from the repo's bootstrap folders, or inferred from
// what nothing but a reference names; what the repo itself brings later is never assumed.
//
// It is pure: it reads the model of a repo.
package prerequisite

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/declaration"
	"seatrial.dev/seatrial/internal/gitops"
)

// Assumption is something that is taken to exist.
type Assumption struct {
	// What exists, as Kind/namespace/name or in words.
	What string
	// Why it is assumed.
	Why string
	// File and Line are where the repo tells of it; empty if it only refers to it.
	File string
	Line int
	// Objects are made before Flux is bootstrapped.
	Objects []*unstructured.Unstructured
	// Maker makes What once it is applied, as its operator would; then Objects wait for that. nil: nothing does.
	Maker *gitops.Object
	// Groups are API groups whose kinds exist.
	Groups []string
	// Node is true of what nodes have.
	Node bool
	// Declared is true of what the repo itself declares.
	Declared bool
}

// Find returns what a repo leans on, sorted: what it declares, and what is found besides.
func Find(repo *gitops.Repo, declared declaration.Prerequisites) []Assumption {
	f := finder{repo: repo, made: map[string]bool{}, near: map[string]bool{}}
	f.declared(declared)
	f.bootstrap()
	f.named()
	f.platforms()
	f.out = append(f.out, NodesOf(repo, declared.Nodes).assumptions()...)
	slices.SortStableFunc(f.out, func(a, b Assumption) int { return strings.Compare(a.What, b.What) })
	return f.out
}

// Before are the API groups whose kinds exist before Flux, by assumption, with why.
func Before(all []Assumption) map[string]string {
	out := map[string]string{}
	for _, a := range all {
		for _, g := range a.Groups {
			out[g] = cmp.Or(out[g], a.Why)
		}
	}
	return out
}

// Namespaces are those that exist before Flux, by assumption.
func Namespaces(all []Assumption) []string {
	var out []string
	for _, a := range all {
		for _, o := range a.Objects {
			if o.GetKind() == "Namespace" {
				out = append(out, o.GetName())
			}
		}
	}
	return out
}

type finder struct {
	repo *gitops.Repo
	made map[string]bool // identities that are assumed already
	near map[string]bool // folders that may be about this cluster
	out  []Assumption
}

// brought says whether a layer applies an object, sooner or later.
func (f *finder) brought(identity string) bool {
	o, _ := f.repo.Applied(identity)
	return o != nil
}

// object makes an object that stands in for one that nobody knows more of.
func object(kind, namespace, name string, data map[string]string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind}}
	u.SetName(name)
	u.SetNamespace(namespace)
	if len(data) > 0 {
		values := map[string]any{}
		for k, v := range data {
			values[k] = v
		}
		field := "data"
		if kind == "Secret" {
			field = "stringData"
		}
		u.Object[field] = values
	}
	return u
}
