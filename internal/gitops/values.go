package gitops

import (
	"encoding/base64"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// SecretValue is a value of a Secret that stands in plain text in the repo, or
// that a layer's build makes of its files.
type SecretValue struct {
	Secret string // namespace/name, or name
	Key    string
	Value  string // decoded
}

// PlainSecrets are the values of all Secrets that are not encrypted.
func (r *Repo) PlainSecrets() []SecretValue {
	var out []SecretValue
	add := func(content map[string]any) {
		if _, encrypted := content["sops"]; encrypted {
			return
		}
		u := &unstructured.Unstructured{Object: content}
		name := strings.TrimPrefix(u.GetNamespace()+"/"+u.GetName(), "/")
		for _, section := range []string{"data", "stringData"} {
			values, _ := content[section].(map[string]any)
			for key, v := range values {
				text, isText := v.(string)
				if !isText {
					continue
				}
				if section == "data" {
					b, err := base64.StdEncoding.DecodeString(text)
					if err != nil {
						out = append(out, SecretValue{name, key, text}) // malformed: it may be meant so
						continue
					}
					text = string(b)
				}
				out = append(out, SecretValue{name, key, text})
			}
		}
	}
	for name, f := range r.files {
		for _, d := range f.docs {
			if d.str("kind") == "Secret" {
				add(d.content)
			}
		}
		if b, err := r.memory.ReadFile(at(name)); (f.err != nil || f.partly) && err == nil && kindSecret.Match(b) {
			out = append(out, guessed(name, string(b))...)
		}
	}
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.GetKind() == "Secret" {
				add(o.Object)
			}
		}
	}
	return out
}

var (
	kindSecret = regexp.MustCompile(`(?m)^\s*"?kind"?:\s*["']?Secret\b`)
	keyValue   = regexp.MustCompile(`^[-\s]*["']?([\w./-]+)["']?:\s+(.*)$`)
)

// guessed are the values of a Secret that is not YAML: what stands behind each
// name, and each line that has none.
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

// PlainValues are the scalars of everything but Secrets and encrypted files, and
// the names of what is in those, too: what stands there is no secret.
func (r *Repo) PlainValues() map[string]bool {
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
	for _, f := range r.files {
		for _, d := range f.docs {
			walk(d.content, d.str("kind") != "Secret" && d.content["sops"] == nil)
		}
	}
	return out
}

// EncryptedFiles are all files that SOPS has encrypted, in any of its formats, sorted by name.
func (r *Repo) EncryptedFiles() map[string][]byte {
	out := map[string][]byte{}
	_ = r.memory.Walk(base, func(p string, info fs.FileInfo, err error) error { // memory has no errors
		if err != nil || info.IsDir() {
			return err
		}
		if !slices.Contains([]string{".yaml", ".yml", ".json", ".env", ".ini", ".txt", ".enc", ".sops", ""}, path.Ext(p)) {
			return nil
		}
		if b, err := r.memory.ReadFile(p); err == nil && strings.Contains(string(b), "ENC[AES256_GCM,") {
			out[clean(strings.TrimPrefix(p, base))] = b
		}
		return nil
	})
	return out
}
