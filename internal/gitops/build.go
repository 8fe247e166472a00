package gitops

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// BuildError says why a layer can't be built, and which file is the reason.
type BuildError struct {
	// NoPath is true if the layer's path does not exist.
	NoPath  bool
	Parse   *ParseError // set if a file that does not parse is the reason
	Limit   bool        // the layer is larger than what is built
	File    string      // the file that is the reason
	Message string
}

// Error is what kustomize says.
func (e *BuildError) Error() string { return e.Message }

const originAnnotation = "config.kubernetes.io/origin"

// wrapper is a folder outside of the repo, in memory, for the kustomization that is
// built around a layer's own.
const wrapper = "/.seatrial-build"

var kustomizationFiles = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// build does what kustomize-controller does with a layer's path: it takes the
// kustomization there, or generates one of all manifests below, and applies the layer's
// own patches, images and names. The result is in l.Objects, l.Build or l.Opaque.
func (t *Tree) build(l *Layer) {
	dir := at(l.Path)
	if !t.memory.IsDir(dir) {
		l.Build = &BuildError{NoPath: true, Message: fmt.Sprintf("path %q is not in the repo", l.Path)}
		return
	}
	inner := t.kustomizationFile(l.Path)
	if inner == "" {
		generated, err := t.generate(l.Path)
		if err != nil {
			l.Build = err
			return
		}
		inner = path.Join(l.Path, "kustomization.yaml")
		if err := t.writeYAML(at(inner), generated); err != nil {
			l.Build = &BuildError{Message: err.Error()}
			return
		}
		defer func() { _ = t.memory.RemoveAll(at(inner)) }()
	}
	if why := t.remote(l.Path, map[string]bool{}); why != "" {
		l.Opaque = why
		return
	}
	if l.Build = t.beyond(l, inner); l.Build != nil {
		return
	}
	t.working(l.Name, inner)
	objects, err := t.run(l, dir)
	if err != nil {
		l.Build = t.explain(l, inner, err)
		return
	}
	l.Objects = objects
}

func (t *Tree) kustomizationFile(dir string) string {
	for _, name := range kustomizationFiles {
		if p := path.Join(dir, name); t.memory.Exists(at(p)) {
			return p
		}
	}
	return ""
}

// generate makes a kustomization of all manifests below dir, as kustomize-controller does
// where there is none. A folder below that has a kustomization of its own is one resource.
func (t *Tree) generate(dir string) (*types.Kustomization, *BuildError) {
	k := &types.Kustomization{TypeMeta: types.TypeMeta{APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind}}
	var problem *BuildError
	for name, f := range t.files { // files that could not even be read
		yamlFile := strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
		if f.err != nil && yamlFile && (dir == "" || strings.HasPrefix(name, dir+"/")) && !t.memory.Exists(at(name)) {
			return nil, &BuildError{Parse: f.err, File: name, Message: f.err.Error()}
		}
	}
	err := t.memory.Walk(at(dir), func(p string, info fs.FileInfo, err error) error {
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
			problem = &BuildError{Parse: f.err, File: name, Message: f.err.Error()}
			return problem
		}
		k.Resources = append(k.Resources, rel)
		return nil
	})
	if problem != nil {
		return nil, problem
	}
	if err != nil && !errors.Is(err, fs.SkipDir) {
		return nil, &BuildError{File: dir, Message: err.Error()}
	}
	return k, nil
}

// remote returns why a kustomization can't be built here, or "": it has resources
// outside of the repo, which Flux would fetch, or inflates Helm charts.
func (t *Tree) remote(dir string, seen map[string]bool) string {
	file := t.kustomizationFile(dir)
	if file == "" || seen[dir] {
		return ""
	}
	seen[dir] = true
	b, err := t.memory.ReadFile(at(file))
	if err != nil {
		return ""
	}
	var k types.Kustomization
	if err := k.Unmarshal(b); err != nil {
		return "" // the build reports the error
	}
	for _, res := range slices.Concat(k.Resources, k.Components) {
		if isRemote(res) && !t.memory.Exists(at(path.Join(dir, res))) {
			return fmt.Sprintf("%s takes %s from the network", file, res)
		}
		if sub := path.Join(dir, res); t.memory.IsDir(at(sub)) {
			if why := t.remote(sub, seen); why != "" {
				return why
			}
		}
	}
	if len(k.HelmCharts) > 0 || len(k.HelmChartInflationGenerator) > 0 {
		return file + " inflates Helm charts"
	}
	return ""
}

func isRemote(res string) bool {
	return strings.Contains(res, "://") || strings.HasPrefix(res, "git@") || strings.HasPrefix(res, "github.com/") || strings.Contains(res, "?ref=")
}

// run builds dir with the layer's own settings around it. kustomize's origin
// annotations tell the file of each object.
func (t *Tree) run(l *Layer, dir string) ([]*Object, error) {
	outer := types.Kustomization{
		TypeMeta:      types.TypeMeta{APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind},
		Resources:     []string{".." + dir},
		BuildMetadata: []string{types.OriginAnnotations},
		Namespace:     nested(l.spec, "targetNamespace"),
		NamePrefix:    nested(l.spec, "namePrefix"),
		NameSuffix:    nested(l.spec, "nameSuffix"),
	}
	if err := convert(l.spec["patches"], &outer.Patches); err != nil {
		return nil, err
	}
	if err := convert(l.spec["images"], &outer.Images); err != nil {
		return nil, err
	}
	var components []string
	if err := convert(l.spec["components"], &components); err != nil {
		return nil, err
	}
	for _, c := range components {
		outer.Components = append(outer.Components, ".."+path.Join(dir, c))
	}
	if err := t.writeYAML(wrapper+"/kustomization.yaml", outer); err != nil {
		return nil, err
	}
	defer func() { _ = t.memory.RemoveAll(wrapper) }()
	resources, err := krusty.MakeKustomizer(&krusty.Options{
		LoadRestrictions: types.LoadRestrictionsNone, PluginConfig: types.DisabledPluginConfig(), Reorder: krusty.ReorderOptionNone,
	}).Run(t.memory, wrapper)
	if err != nil {
		return nil, err
	}
	var out []*Object
	for _, res := range resources.Resources() {
		content, err := res.Map()
		if err != nil {
			return nil, err
		}
		out = append(out, t.object(&unstructured.Unstructured{Object: jsonTypes(content).(map[string]any)}))
	}
	return out, nil
}

// jsonTypes converts the types of decoded YAML to those of decoded JSON, which
// unstructured objects must be made of: their methods panic on others.
func jsonTypes(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			v[key] = jsonTypes(inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = jsonTypes(inner)
		}
	case int:
		return int64(v)
	case uint64:
		return float64(v)
	case nil, string, bool, int64, float64:
	default:
		return fmt.Sprint(v) // for example a time
	}
	return v
}

// object finds where a built object comes from.
func (t *Tree) object(u *unstructured.Unstructured) *Object {
	o := &Object{Unstructured: u}
	var origin struct {
		Path         string `json:"path"`
		ConfiguredIn string `json:"configuredIn"`
	}
	annotations := u.GetAnnotations()
	_ = yaml.Unmarshal([]byte(annotations[originAnnotation]), &origin) // without an origin the file stays unknown
	delete(annotations, originAnnotation)
	if len(annotations) == 0 {
		annotations = nil
	}
	u.SetAnnotations(annotations)
	o.File = clean(strings.TrimPrefix(path.Join(wrapper, cmp.Or(origin.Path, origin.ConfiguredIn)), base))
	if f := t.files[o.File]; f != nil {
		o.Line = lineOf(f, u)
	}
	if sops, ok := u.Object["sops"].(map[string]any); ok {
		o.Encrypted = true
		o.Recipients = recipients(sops)
	}
	return o
}

// lineOf returns the line of an object among a file's documents. The build may have
// changed its name and namespace, so the best match wins.
func lineOf(f *file, u *unstructured.Unstructured) int {
	best, line := -1, 1
	for _, d := range f.docs {
		if d.str("kind") != u.GetKind() {
			continue
		}
		score := 0
		switch name := d.name(); {
		case name == u.GetName():
			score = 4
		case name != "" && strings.Contains(u.GetName(), name):
			score = 2
		}
		if d.namespace() == u.GetNamespace() {
			score++
		}
		if score > best {
			best, line = score, d.line
		}
	}
	return line
}

var quoted = regexp.MustCompile(`'?/?([^\s':]+\.ya?ml)'?`)

// explain turns kustomize's error into a BuildError, with the file that the error is about.
func (t *Tree) explain(l *Layer, kustomization string, err error) *BuildError {
	e := &BuildError{File: kustomization, Message: strings.ReplaceAll(err.Error(), "'"+wrapper+"'", "the layer")}
	// The error of a manifest that does not parse is more helpful than kustomize's.
	if m := t.listedParseError(l.Path, map[string]bool{}); m != nil {
		e.Parse, e.File = m, m.File
		return e
	}
	for _, m := range quoted.FindAllStringSubmatch(err.Error(), -1) {
		if f := t.files[clean(strings.TrimPrefix("/"+m[1], base))]; f != nil {
			e.File = clean(strings.TrimPrefix("/"+m[1], base))
			if f.err != nil {
				e.Parse = f.err
			}
		}
	}
	return e
}

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
	out := slices.Concat(k.Transformers, k.Generators, k.Validators, k.Configurations, k.Crds)
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
	return slices.DeleteFunc(out, func(p string) bool { return p == "" || strings.Contains(p, "\n") })
}

func (t *Tree) writeYAML(name string, v any) error {
	b, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	return t.memory.WriteFile(name, b)
}

// convert copies a decoded value into a typed one.
func convert(from, to any) error {
	if from == nil {
		return nil
	}
	b, err := yaml.Marshal(from)
	if err != nil {
		return err
	}
	return yaml.Unmarshal(b, to)
}
