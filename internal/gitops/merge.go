package gitops

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// merged is the kustomization that kustomize-controller builds for a layer: the one in its folder,
// or one of all manifests below it, with the layer's own settings put into it. It does what
// the generator of fluxcd/pkg/kustomize does, in memory: that one works on files of a disk, and its build
// reads kustomize's schemas anew each time, which takes 65 ms a layer. A test holds both against each other.
func (t *Tree) merged(l *Layer) (name string, k *types.Kustomization, err *BuildError) {
	k = &types.Kustomization{}
	if name = t.kustomizationFile(l.Path); name == "" {
		name = path.Join(l.Path, "kustomization.yaml")
		if k, err = t.generate(l.Path); err != nil {
			return "", nil, err
		}
	} else {
		b, readErr := t.memory.ReadFile(at(name))
		if readErr == nil {
			readErr = yaml.Unmarshal(b, k)
		}
		if readErr != nil {
			e := &BuildError{File: t.original(name), Message: readErr.Error()}
			if f := t.files[name]; f != nil && f.err != nil {
				e.Parse = f.err
			}
			return "", nil, e
		}
	}
	k.TypeMeta = types.TypeMeta{APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind}
	k.BuildMetadata = []string{types.OriginAnnotations}
	for _, set := range []struct {
		to    *string
		field string
	}{{&k.Namespace, "targetNamespace"}, {&k.NamePrefix, "namePrefix"}, {&k.NameSuffix, "nameSuffix"}} {
		if _, given := l.spec[set.field].(string); given {
			*set.to = nested(l.spec, set.field)
		}
	}
	if mergeErr := t.mergeLists(l, k); mergeErr != nil {
		return "", nil, &BuildError{File: l.File, Message: mergeErr.Error()}
	}
	return name, k, nil
}

// mergeLists adds the layer's patches, images and components.
func (t *Tree) mergeLists(l *Layer, k *types.Kustomization) error {
	var patches []struct {
		Patch  string          `json:"patch"`
		Target *types.Selector `json:"target"`
	}
	if err := convert(l.spec["patches"], &patches); err != nil {
		return fmt.Errorf("unable to get patches: %w", err)
	}
	for _, p := range patches {
		k.Patches = append(k.Patches, types.Patch{Patch: p.Patch, Target: p.Target})
	}
	var components []string
	if err := convert(l.spec["components"], &components); err != nil {
		return fmt.Errorf("unable to get components: %w", err)
	}
	ignoreMissing, _ := l.spec["ignoreMissingComponents"].(bool)
	for _, c := range components {
		if isRemote(c) || path.IsAbs(c) {
			return fmt.Errorf("component path '%s' must be local and relative", c)
		}
		if ignoreMissing && !t.memory.Exists(at(path.Join(l.Path, c))) {
			continue
		}
		k.Components = append(k.Components, c)
	}
	var images []types.Image
	if err := convert(l.spec["images"], &images); err != nil {
		return fmt.Errorf("unable to get images: %w", err)
	}
	for _, image := range images {
		mergeImage(k, image)
	}
	return nil
}

// mergeImage overrides the fields of an image of the same name that are given: a tag and a digest as one.
func mergeImage(k *types.Kustomization, image types.Image) {
	for i := range k.Images {
		have := &k.Images[i]
		if have.Name != image.Name {
			continue
		}
		if image.NewName != "" {
			have.NewName = image.NewName
		}
		if image.NewTag != "" || image.Digest != "" {
			have.NewTag, have.Digest = image.NewTag, image.Digest
		}
		return
	}
	k.Images = append(k.Images, types.Image{Name: image.Name, NewName: image.NewName, NewTag: image.NewTag, Digest: image.Digest})
}

func (t *Tree) kustomizationFile(dir string) string {
	for _, name := range kustomizationFiles {
		if p := path.Join(dir, name); t.memory.Exists(at(p)) && !t.memory.IsDir(at(p)) {
			return p
		}
	}
	return ""
}

// generate makes a kustomization of all manifests below dir, as kustomize-controller does
// where there is none. A folder below that has a kustomization of its own is one resource.
func (t *Tree) generate(dir string) (*types.Kustomization, *BuildError) {
	k := &types.Kustomization{}
	for name, f := range t.files { // files that could not even be read
		yamlFile := strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
		if f.err != nil && yamlFile && (dir == "" || strings.HasPrefix(name, dir+"/")) && !t.memory.Exists(at(name)) {
			return nil, &BuildError{Parse: f.err, File: t.original(name), Message: f.err.Error()}
		}
	}
	var problem *BuildError
	_ = t.memory.Walk(at(dir), func(p string, info fs.FileInfo, err error) error { // memory has no errors
		if err != nil {
			return err
		}
		name := clean(strings.TrimPrefix(p, base))
		rel := strings.TrimPrefix(strings.TrimPrefix(name, dir), "/")
		if info.IsDir() {
			if name != dir && t.kustomizationFile(name) != "" {
				k.Resources = append(k.Resources, rel)
				return fs.SkipDir
			}
			return nil
		}
		f := t.files[name]
		if f == nil || path.Ext(name) != ".yaml" && path.Ext(name) != ".yml" {
			return nil
		}
		if f.err != nil {
			problem = &BuildError{Parse: f.err, File: t.original(name), Message: f.err.Error()}
			return problem
		}
		k.Resources = append(k.Resources, rel)
		return nil
	})
	if problem != nil {
		return nil, problem
	}
	if len(k.Resources) == 0 {
		k.Namespace = "_placeholder" // kustomize refuses a kustomization with nothing in it
	}
	return k, nil
}

// HasKustomization says whether a folder of the repo has a kustomization of its own.
func (t *Tree) HasKustomization(dir string) bool { return t.kustomizationFile(dir) != "" }
