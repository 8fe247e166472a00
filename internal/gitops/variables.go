package gitops

import (
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/fluxcd/pkg/envsubst"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// Needed is a ConfigMap or Secret that a layer takes variables from, and that nothing which is built before
// the layer brings.
type Needed struct {
	Kind string
	Ref
	// Variables are those that nothing else gives a value to, sorted.
	Variables []string
}

// unknown stands for a value that is not in the repo.
const unknown = "placeholder"

// reference is an entry of substituteFrom.
type reference struct {
	Kind, Name string
	Optional   bool
}

func (l *Layer) substituteFrom() []reference {
	var out []reference
	postBuild, _, _ := unstructured.NestedMap(l.spec, "postBuild")
	for _, m := range mappings(postBuild["substituteFrom"]) {
		optional, _ := m["optional"].(bool)
		out = append(out, reference{nested(m, "kind"), nested(m, "name"), optional})
	}
	return out
}

// waitsFor says whether variables of a layer come from an object that is not there yet.
func (r *Repo) waitsFor(l *Layer) bool {
	return slices.ContainsFunc(l.substituteFrom(), func(ref reference) bool { return r.built[Identity(ref.Kind, l.Namespace, ref.Name)] == nil })
}

// variables are the values for a layer's post-build substitution, and what is needed for it besides. secret are the names of
// those that come from Secrets.
func (r *Repo) variables(l *Layer) (vars map[string]string, secret map[string]bool) {
	vars, secret = map[string]string{}, map[string]bool{}
	for _, ref := range l.substituteFrom() {
		o := r.built[Identity(ref.Kind, l.Namespace, ref.Name)]
		if o == nil {
			if !ref.Optional {
				l.Needs = append(l.Needs, Needed{Kind: ref.Kind, Ref: Ref{l.Namespace, ref.Name}})
			}
			continue
		}
		for key, value := range r.values(o) {
			vars[key] = strings.ReplaceAll(value, "\n", "")
			secret[key] = ref.Kind == "Secret"
		}
	}
	inline, _, _ := unstructured.NestedMap(l.spec, "postBuild", "substitute")
	for key, value := range inline {
		vars[key] = strings.ReplaceAll(fmt.Sprint(value), "\n", "")
		secret[key] = false
	}
	return vars, secret
}

// expression matches how a variable is used.
var expression = regexp.MustCompile(`\$\{(\w+)[^{}]*\}`)

// derive records what the expressions of an object make of secret values: parts and changed forms of them, which are as
// secret as they are.
func (r *Repo) derive(text string, vars map[string]string, secret map[string]bool) {
	for _, m := range expression.FindAllStringSubmatch(text, -1) {
		if !secret[m[1]] || m[0] == "${"+m[1]+"}" || r.derived[m[0]+vars[m[1]]] != "" {
			continue
		}
		made, err := envsubst.Eval(m[0], func(name string) (string, bool) { v, ok := vars[name]; return v, ok })
		if err == nil && made != "" && made != vars[m[1]] {
			if r.derived == nil {
				r.derived = map[string]string{}
			}
			r.derived[m[0]+vars[m[1]]] = made
		}
	}
}

// Derived are the texts that substitution makes of secret values, beside these themselves.
func (r *Repo) Derived() []string { return slices.Sorted(maps.Values(r.derived)) }

// values are the data of a ConfigMap or Secret. Those of an encrypted file are what Open makes of it.
func (r *Repo) values(o *Object) map[string]string {
	content := o.Object
	if o.Encrypted {
		content = r.open(o)
	}
	out := map[string]string{}
	for _, section := range []string{"data", "stringData"} {
		m, _ := content[section].(map[string]any)
		for key, v := range m {
			text := fmt.Sprint(v)
			if section == "data" && o.GetKind() == "Secret" {
				if b, err := base64.StdEncoding.DecodeString(text); err == nil {
					text = string(b)
				}
			}
			if strings.HasPrefix(text, "ENC[") {
				text = unknown
			}
			out[key] = text
		}
	}
	return out
}

// open is an encrypted object in plain text or, if it can't be opened, as it is.
func (r *Repo) open(o *Object) map[string]any {
	b, err := json.Marshal(o.Object)
	if err != nil || r.Open == nil {
		return o.Object
	}
	plain, err := r.Open("object.json", b)
	if err != nil {
		return o.Object // a check says what is wrong with the file
	}
	content := map[string]any{}
	if json.Unmarshal(plain, &content) != nil {
		return o.Object
	}
	return content
}

const substituteLabel = "kustomize.toolkit.fluxcd.io/substitute"

// substitute does kustomize-controller's post-build substitution for a layer's objects. In its strict mode,
// which is on in the version that is rehearsed, a variable without a value and without a default is an error. If some
// of the layer's variables come from what nothing in the repo brings, such a variable is expected there.
func (r *Repo) substitute(l *Layer) {
	vars, secret := r.variables(l)
	strategy := nested(l.spec, "postBuild", "substituteStrategy")
	if len(vars) == 0 && strategy != "Always" && len(l.Needs) == 0 {
		return
	}
	missing := map[string]bool{}
	for _, o := range l.Objects {
		if o.GetLabels()[substituteLabel] == "disabled" || o.GetAnnotations()[substituteLabel] == "disabled" {
			continue
		}
		if b, err := yaml.Marshal(o.Object); err == nil && strings.Contains(string(b), "${") {
			r.derive(string(b), vars, secret)
		}
		if err := substituteObject(o, vars, len(l.Needs) > 0, missing); err != nil && l.Build == nil {
			l.Build = &BuildError{File: o.File, Line: o.Line, Message: fmt.Sprintf("envsubst error: %v", err)}
			if m := unset.FindStringSubmatch(err.Error()); m != nil {
				l.Build.Variable = m[1]
			}
		}
	}
	for i := range l.Needs { // which of several has it can't be known: each gets all
		for name := range missing {
			l.Needs[i].Variables = append(l.Needs[i].Variables, name)
		}
		slices.Sort(l.Needs[i].Variables)
	}
}

// maxSubstituted is the size to which variables may make an object grow: etcd takes far less.
const maxSubstituted = 64 << 20

// longest is the length of the longest value.
func longest(vars map[string]string) int {
	n := 0
	for _, v := range vars {
		n = max(n, len(v))
	}
	return n
}

// unset matches how envsubst names a variable without a value.
var unset = regexp.MustCompile(`variable not set \(strict mode\): "([^"]+)"`)

// substituteObject replaces the variables in an object. open: some of their values are not in the repo;
// those get a placeholder, and their names are put into missing.
func substituteObject(o *Object, vars map[string]string, open bool, missing map[string]bool) error {
	b, err := yaml.Marshal(o.Object)
	if err != nil || !strings.Contains(string(b), "$") {
		return err
	}
	if longest(vars)*strings.Count(string(b), "${") > maxSubstituted {
		return fmt.Errorf("its variables make it larger than %d MiB: it is not read", maxSubstituted>>20)
	}
	const most = 1000 // a text with more variables than that is nobody's
	for range most {
		text, err := envsubst.Eval(string(b), func(name string) (string, bool) {
			v, ok := vars[name]
			return v, ok
		})
		if m := unset.FindStringSubmatch(fmt.Sprint(err)); err != nil && m != nil && open {
			vars[m[1]], missing[m[1]] = unknown, true
			continue
		}
		if err != nil {
			return fmt.Errorf("variable substitution failed: %w", err)
		}
		b, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			return fmt.Errorf("YAMLToJSON: %w", err)
		}
		content := map[string]any{}
		if err := json.Unmarshal(b, &content); err != nil {
			return err
		}
		o.Object = content
		return nil
	}
	return fmt.Errorf("more than %d variables", most)
}

// commonMetadata sets a layer's labels and annotations on its objects, as kustomize-controller does when it applies them.
func (l *Layer) commonMetadata() {
	labels, _, _ := unstructured.NestedStringMap(l.spec, "commonMetadata", "labels")
	annotations, _, _ := unstructured.NestedStringMap(l.spec, "commonMetadata", "annotations")
	for _, o := range l.Objects {
		o.SetLabels(with(o.GetLabels(), labels))
		o.SetAnnotations(with(o.GetAnnotations(), annotations))
	}
}

func with(all, more map[string]string) map[string]string {
	if len(more) == 0 {
		return all
	}
	if all == nil {
		all = map[string]string{}
	}
	for k, v := range more {
		all[k] = v
	}
	return all
}
