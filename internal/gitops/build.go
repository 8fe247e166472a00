package gitops

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/yaml"
)

// BuildError says why a layer can't be built, and which file is the reason.
type BuildError struct {
	// NoPath is true if the layer's path does not exist.
	NoPath bool
	// Link is the symbolic link that the path, or a file of the build, is reached by, and LinksTo where it leads: Flux
	// leaves links out. Empty if there is none.
	Link, LinksTo string
	Parse         *ParseError // set if a file that does not parse is the reason
	Limit         bool        // the layer is larger than what is built
	// Variable is the one that post-build substitution has no value for; empty if that is not the reason.
	Variable string
	File     string // the file that is the reason
	Line     int    // of the object that is the reason; 0 if unknown
	Message  string
}

// Error is what kustomize says.
func (e *BuildError) Error() string { return e.Message }

const originAnnotation = "config.kubernetes.io/origin"

var kustomizationFiles = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// build does what kustomize-controller does with a layer's path. The result is in l.Objects; l.Build or
// l.Opaque say why it is not, or not all: then l.Objects are those that the files below tell of.
func (t *Tree) build(l *Layer, open func(string, []byte) ([]byte, error)) {
	if !t.memory.IsDir(at(l.Path)) {
		l.Build = &BuildError{NoPath: true, Message: fmt.Sprintf("path %q is not in the repo", l.Path)}
		l.Build.Link, l.Build.LinksTo = t.link(l.Path)
		return
	}
	why := t.remote(l.Path, map[string]bool{})
	for _, c := range mappings(l.spec["patches"]) {
		if p := nested(c, "path"); isRemote(p) {
			why = "a patch of the layer is at " + p
		}
	}
	var components []string
	if err := convert(l.spec["components"], &components); err == nil {
		for _, c := range components {
			if sub := path.Join(l.Path, c); why == "" && t.memory.IsDir(at(sub)) {
				why = t.remote(sub, map[string]bool{})
			}
		}
	}
	if why != "" {
		l.Opaque = why
		l.Objects = t.gather(l.Path)
		return
	}
	failed := t.beyond(l, t.kustomizationFile(l.Path))
	name, kustomization := "", (*types.Kustomization)(nil)
	if failed == nil {
		name, kustomization, failed = t.merged(l)
	}
	if failed == nil {
		t.working(l.Name, name)
		l.Objects, failed = t.run(l, name, kustomization, open)
	}
	if failed != nil {
		l.Build = failed
		if !failed.Limit && (failed.Parse == nil || !failed.Parse.Limit) {
			l.Objects = t.gather(l.Path)
		}
	}
}

// run builds a layer by its kustomization, which stands for the file of that name. kustomize's origin
// annotations tell the file of each object.
func (t *Tree) run(l *Layer, name string, k *types.Kustomization, open func(string, []byte) ([]byte, error)) (out []*Object, failed *BuildError) {
	// kustomize is known to panic at objects that it does not expect.
	defer func() {
		if r := recover(); r != nil {
			failed = &BuildError{File: t.original(name), Message: fmt.Sprintf("kustomize stopped: %v", r)}
		}
	}()
	before, readErr := t.memory.ReadFile(at(name))
	b, err := yaml.Marshal(k)
	if err == nil {
		err = t.memory.WriteFile(at(name), b)
	}
	if err != nil {
		return nil, &BuildError{File: t.original(name), Message: err.Error()}
	}
	defer func() {
		if readErr != nil {
			_ = t.memory.RemoveAll(at(name)) // memory has no errors
			return
		}
		_ = t.memory.WriteFile(at(name), before)
	}()
	opened := false
	if l.Decrypts {
		var restore func()
		restore, opened = t.openSources(l.Path, open)
		defer restore()
	}
	if t.schemas { // those of another layer are not this one's
		openapi.ResetOpenAPI()
		defer openapi.ResetOpenAPI()
	}
	resources, err := krusty.MakeKustomizer(&krusty.Options{
		LoadRestrictions: types.LoadRestrictionsNone, PluginConfig: types.DisabledPluginConfig(),
	}).Run(t.memory, at(l.Path))
	if err != nil {
		return nil, t.explain(l, name, err)
	}
	for _, res := range resources.Resources() {
		content, err := res.Map()
		if err != nil {
			return nil, t.explain(l, name, err)
		}
		o := t.object(l.Path, &unstructured.Unstructured{Object: jsonTypes(content).(map[string]any)})
		o.Opened = opened && o.GetKind() == "Secret"
		out = append(out, o)
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

// object finds where an object comes from that was built in dir.
func (t *Tree) object(dir string, u *unstructured.Unstructured) *Object {
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
	if from := cmp.Or(origin.Path, origin.ConfiguredIn); from != "" {
		o.File = clean(path.Join(dir, from))
	}
	if f := t.files[o.File]; f != nil {
		o.Line = lineOf(f, u)
	}
	o.File = t.original(o.File)
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

// JSON is a decoded document as it is decoded from JSON, which unstructured objects are made of.
func JSON(content map[string]any) map[string]any {
	return jsonTypes(deepCopy(content)).(map[string]any)
}
