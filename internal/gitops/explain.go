package gitops

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
)

var quoted = regexp.MustCompile(`'?/?([^\s':]+\.ya?ml)'?`)

// explain turns kustomize's error into a BuildError, with the file that the error is about.
func (t *Tree) explain(l *Layer, kustomization string, err error) *BuildError {
	e := &BuildError{Message: strings.ReplaceAll(err.Error(), base+"/", "")}
	if t.files[kustomization] != nil {
		e.File = t.original(kustomization)
	} else {
		e.File, e.Line = l.File, l.Line // it was made for a folder without one
	}
	// The error of a manifest that does not parse is more helpful than kustomize's.
	if m := t.listedParseError(l.Path, map[string]bool{}); m != nil {
		e.Parse, e.File = m, m.File
		return e
	}
	for _, m := range quoted.FindAllStringSubmatch(err.Error(), -1) {
		name := clean(strings.TrimPrefix("/"+m[1], base))
		if f := t.files[name]; f != nil {
			e.File, e.Line = t.original(name), 0
			if f.err != nil {
				e.Parse = f.err
			}
		}
	}
	for _, m := range anyPath.FindAllString(e.Message, -1) {
		if link, to := t.link(strings.Trim(m, "'\"")); link != "" {
			e.Link, e.LinksTo = link, to
		}
	}
	return e
}

var anyPath = regexp.MustCompile(`[^\s:'"]+/[^\s:'"]+`)

func (t *Tree) listedParseError(dir string, seen map[string]bool) *ParseError {
	file := t.kustomizationFile(dir)
	if file == "" || seen[dir] {
		return nil
	}
	seen[dir] = true
	if f := t.files[file]; f != nil && f.err != nil {
		return f.err
	}
	b, err := t.memory.ReadFile(at(file))
	if err != nil {
		return nil
	}
	var k types.Kustomization
	if err := k.Unmarshal(b); err != nil {
		return nil
	}
	for _, res := range slices.Concat(k.Resources, k.Components, parsed(&k)) {
		p := path.Join(dir, res)
		if f := t.files[p]; f != nil && f.err != nil {
			return f.err
		}
		if found := t.listedParseError(p, seen); found != nil {
			return found
		}
	}
	return nil
}

// parsed are the files, beside the resources, that kustomize reads as YAML.
func parsed(k *types.Kustomization) []string {
	return slices.DeleteFunc(slices.Concat(k.Transformers, k.Generators, k.Validators, k.Configurations, k.Crds, patchFiles(k)), func(p string) bool { return strings.Contains(p, "\n") })
}

// patchFiles are the files of a kustomization's patches and replacements.
func patchFiles(k *types.Kustomization) []string {
	var out []string
	//lint:ignore SA1019 repos still have the old fields, and kustomize reads them
	for _, p := range slices.Concat(k.Patches, k.PatchesJson6902) {
		out = append(out, p.Path)
	}
	//lint:ignore SA1019 as above
	for _, p := range k.PatchesStrategicMerge {
		out = append(out, string(p))
	}
	for _, p := range k.Replacements {
		out = append(out, p.Path)
	}
	return slices.DeleteFunc(out, func(p string) bool { return p == "" })
}
