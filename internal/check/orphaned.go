package check

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// siblings is how many folders beside one have to be layers' for it to look forgotten.
const siblings = 3

// orphaned finds folders with manifests that lie among those of layers, and that no layer takes.
func orphaned(r *gitops.Repo, _ Options) []finding.Finding {
	layers := map[string][]string{} // names of the folders that are layers', by what they lie in
	taken := map[string]bool{}      // files
	for _, l := range r.Layers {
		if l.Ref == r.Root && l.Build != nil {
			continue // it takes nothing
		}
		if l.Path != "" && l.Ref != r.Root {
			layers[path.Dir(l.Path)] = append(layers[path.Dir(l.Path)], path.Base(l.Path))
		}
		for _, o := range l.Objects {
			taken[o.File] = true
		}
	}
	type folder struct {
		first gitops.Document
		used  bool
	}
	folders := map[string]*folder{}
	var names []string
	for _, d := range r.Documents() {
		for parent, among := range layers {
			rest, below := strings.CutPrefix(d.File, parent+"/")
			name, _, deeper := strings.Cut(rest, "/")
			if !below || !deeper || len(distinct(among)) < siblings || slices.Contains(among, name) || d.GroupKind().Kind == "" {
				continue
			}
			dir := parent + "/" + name
			if folders[dir] == nil {
				folders[dir] = &folder{first: d}
				names = append(names, dir)
			}
			folders[dir].used = folders[dir].used || taken[d.File] || d.GroupKind().Group == "kustomize.config.k8s.io" && r.Referred(dir)
		}
	}
	var left []string
	for _, dir := range names {
		if f := folders[dir]; !f.used && !r.Referred(dir) && !leadsThrough(r, dir) {
			left = append(left, dir)
		}
	}
	if len(left) == 0 {
		return nil
	}
	first := folders[left[0]].first
	f := finding.Finding{
		Code: finding.OrphanedFolder, Severity: finding.Warning, File: first.File, Line: first.Line,
		Message: fmt.Sprintf("no Kustomization leads to %s, which lies among the folders of layers", left[0]),
		Fix:     "add a Kustomization with that path, or remove the folder",
	}
	if len(left) > 1 {
		f.Message = fmt.Sprintf("no Kustomization leads to %d folders that lie among those of layers: %s", len(left), strings.Join(left, ", "))
		f.Fix = "add Kustomizations with these paths, or remove the folders"
	}
	return []finding.Finding{f}
}

func distinct(all []string) []string {
	all = slices.Clone(all)
	slices.Sort(all)
	return slices.Compact(all)
}

// leadsThrough says whether a layer's folder lies below one or around it, in this cluster or another one of the tree.
func leadsThrough(r *gitops.Repo, dir string) bool {
	for _, d := range r.Documents() {
		if p := d.LayerPath(); p != "" && (strings.HasPrefix(p+"/", dir+"/") || strings.HasPrefix(dir+"/", p+"/")) && !strings.HasPrefix(d.File, p+"/") {
			return true
		}
	}
	return slices.ContainsFunc(r.Layers, func(l *gitops.Layer) bool {
		return strings.HasPrefix(l.Path+"/", dir+"/") || l.Path != "" && l.Ref != r.Root && strings.HasPrefix(dir+"/", l.Path+"/")
	})
}
