package gitops

import (
	"encoding/base64"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"seatrial.dev/seatrial/internal/sealed"
)

// SecretValue is a value of a Secret that is in plain text in the repo, or that a
// layer's build takes from the repo's files.
type SecretValue struct {
	Secret string // namespace/name, or name
	Key    string
	Value  string // decoded
}

// PlainSecrets returns the values of all Secrets that are not encrypted, those that
// kustomize generates included.
func (r *Repo) PlainSecrets() []SecretValue {
	var out []SecretValue
	for name, f := range r.files {
		for _, d := range f.docs {
			out = append(out, secretsIn(d.node)...)
			out = append(out, r.generated(path.Dir(name), d)...)
		}
		if b, err := r.memory.ReadFile(at(name)); (f.err != nil || f.partly) && err == nil && kindSecret.Match(b) {
			out = append(out, guessed(name, string(b))...)
		}
	}
	for _, name := range r.named(".json") { // kustomize reads JSON, too
		b, err := r.memory.ReadFile(at(name))
		if err != nil || !kindSecret.Match(b) {
			continue
		}
		for _, d := range parse(name, b).docs {
			out = append(out, secretsIn(d.node)...)
		}
	}
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.GetKind() != "Secret" || o.Encrypted {
				continue
			}
			for _, section := range []string{"data", "stringData"} {
				values, _ := o.Object[section].(map[string]any)
				for key, v := range values {
					out = append(out, secretValue(strings.TrimPrefix(o.GetNamespace()+"/"+o.GetName(), "/"), section, key, fmt.Sprint(v)))
				}
			}
		}
	}
	return out
}

// secretsIn returns the values of all Secrets in a document, also in a list: every
// scalar outside of the metadata, as it is written, whether or not the Secret is valid.
func secretsIn(n *yaml.Node) []SecretValue {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	var out []SecretValue
	if items := lookup(n, "items"); items != nil {
		for _, item := range items.Content {
			out = append(out, secretsIn(item)...)
		}
	}
	if kind := lookup(n, "kind"); kind == nil || kind.Value != "Secret" {
		return out
	}
	text := func(keys ...string) string {
		if v := lookup(n, keys...); v != nil {
			return v.Value
		}
		return ""
	}
	name := strings.TrimPrefix(text("metadata", "namespace")+"/"+text("metadata", "name"), "/")
	for i := 0; i+1 < len(n.Content); i += 2 {
		section, value := n.Content[i].Value, n.Content[i+1]
		if section == "metadata" || section == "sops" || value.Kind == yaml.ScalarNode {
			continue // metadata and scalars such as the type are not values
		}
		scalars(value, section, func(key, text string) {
			if !strings.HasPrefix(text, "ENC[") { // even an encrypted file may have a value in plain text
				out = append(out, secretValue(name, section, key, text))
			}
		})
	}
	return out
}

// scalars calls tell with each scalar below n and the last mapping key on the way to it.
func scalars(n *yaml.Node, key string, tell func(key, text string)) {
	switch n.Kind {
	case yaml.ScalarNode:
		tell(key, n.Value)
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			scalars(n.Content[i+1], n.Content[i].Value, tell)
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			scalars(c, key, tell)
		}
	case yaml.AliasNode:
		if n.Alias != nil && n.Alias.Kind == yaml.ScalarNode {
			tell(key, n.Alias.Value)
		}
	}
}

// secretValue decodes a value of a Secret's data. A value that is not base64 is kept as it is.
func secretValue(name, section, key, text string) SecretValue {
	if section == "data" {
		if b, err := base64.StdEncoding.DecodeString(text); err == nil {
			text = string(b)
		}
	}
	return SecretValue{name, key, text}
}

// generated returns the values of the Secrets that a kustomization generates.
func (t *Tree) generated(dir string, d document) []SecretValue {
	list, _ := d.content["secretGenerator"].([]any)
	var out []SecretValue
	for _, entry := range list {
		g, _ := entry.(map[string]any)
		name := fmt.Sprint(g["name"])
		for _, literal := range texts(g["literals"]) {
			key, value, _ := strings.Cut(literal, "=")
			out = append(out, SecretValue{name, key, strings.Trim(value, `"'`)})
		}
		for _, file := range append(append(texts(g["envs"]), texts(g["env"])...), texts(g["files"])...) {
			if _, path, ok := strings.Cut(file, "="); ok {
				file = path
			}
			if b, err := t.memory.ReadFile(at(path.Join(dir, file))); err == nil && !strings.Contains(string(b), "ENC[AES256_GCM,") {
				out = append(out, SecretValue{name, path.Base(file), string(b)})
			}
		}
	}
	return out
}

// texts returns the strings of a list, or a single string as a list.
func texts(v any) []string {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// named are the files with an extension.
func (t *Tree) named(ext string) []string {
	var out []string
	t.each(func(name string, _ []byte) {
		if path.Ext(name) == ext {
			out = append(out, name)
		}
	})
	return out
}

var (
	kindSecret = regexp.MustCompile(`(?m)^(\{.*)?["']?kind["']?\s*:\s*["']?Secret\b`)
	keyValue   = regexp.MustCompile(`^[-\s]*["']?([\w./-]+)["']?:\s+(.*)$`)
)

// guessed returns the possible values of a Secret in a file that is not valid YAML: the
// text after each key, and each line without a key.
func guessed(file, text string) []SecretValue {
	var out []SecretValue
	for _, line := range strings.Split(text, "\n") {
		key, value := "", strings.TrimSpace(line)
		if m := keyValue.FindStringSubmatch(line); m != nil {
			key, value = m[1], strings.TrimSpace(m[2])
		}
		if slices.Contains([]string{"apiVersion", "kind", "metadata", "name", "namespace", "type"}, key) || strings.HasSuffix(value, ":") || value == "---" {
			continue
		}
		out = append(out, SecretValue{file, key, strings.Trim(value, `"'`)})
	}
	return out
}

// PlainValues returns all strings that are not secret, because they are in plain text
// in the repo: the keys of all documents, and the string values of all documents but
// Secrets and encrypted files.
func (t *Tree) PlainValues() map[string]bool {
	out := map[string]bool{}
	var walk func(v any, values bool)
	walk = func(v any, values bool) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				out[name] = true
				walk(inner, values)
			}
		case []any:
			for _, inner := range v {
				walk(inner, values)
			}
		case string:
			if values {
				out[v] = true
			}
		}
	}
	for _, f := range t.files {
		for _, d := range f.docs {
			walk(d.content, d.str("kind") != "Secret" && d.content["sops"] == nil)
		}
	}
	return out
}

// EncryptedFiles returns all files that SOPS has encrypted, in any of its formats, by name.
func (t *Tree) EncryptedFiles() map[string][]byte {
	out := map[string][]byte{}
	t.each(func(name string, b []byte) {
		if _, encrypted := sealed.In(b); encrypted {
			out[name] = b
		}
	})
	return out
}
