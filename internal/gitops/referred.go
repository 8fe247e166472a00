package gitops

import (
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
)

// Referred says whether a kustomization anywhere in the tree takes a folder, or something in it.
func (t *Tree) Referred(dir string) bool {
	if t.referred == nil {
		t.referred = map[string]bool{}
		t.each(func(name string, b []byte) {
			if !slices.Contains(kustomizationFiles, path.Base(name)) {
				return
			}
			var k types.Kustomization
			if k.Unmarshal(b) != nil {
				return // the build reports the error
			}
			//lint:ignore SA1019 repos still have the old field, and kustomize reads it
			for _, res := range slices.Concat(k.Resources, k.Components, k.Bases) {
				p := path.Join(path.Dir(name), res)
				if strings.HasPrefix(p, path.Dir(name)+"/") {
					t.referred[p] = true // a part of the kustomization's own folder says nothing of the folder
					continue
				}
				for ; p != "." && p != "/"; p = path.Dir(p) {
					t.referred[p] = true
				}
			}
		})
	}
	return t.referred[dir]
}
