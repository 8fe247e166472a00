package redact

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// parts returns a value and the parts of it that a message may contain alone: its lines
// or, if it is a document, the values in it; also the password of a URL, and the text
// that a base64 value encodes.
func parts(value string) []string {
	out := []string{value}
	if strings.ContainsAny(value, ":{[") && len(value) < 1<<20 {
		var doc any
		if err := yaml.Unmarshal([]byte(value), &doc); err == nil {
			if found := leaves(doc, 0); len(found) > 0 { // a document's lines mostly hold keys, so they are left out
				for _, leaf := range found {
					out = append(append(out, leaf), lines(leaf)...)
				}
				return out
			}
		}
	}
	out = append(out, lines(value)...)
	for _, line := range strings.Split(value, "\n") { // name=value
		if name, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && name != "" && v != "" && !strings.ContainsAny(name, " :{<") {
			out = append(out, strings.Trim(v, `"'`))
		}
	}
	if b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value)); err == nil && len(b) >= MinLength && printable(b) {
		out = append(out, string(b))
	}
	if _, password, ok := strings.Cut(value, "://"); ok { // scheme://user:password@host
		if credentials, _, ok := cutLast(password, "@"); ok {
			if _, password, ok := strings.Cut(credentials, ":"); ok {
				out = append(out, password)
			}
		}
	}
	return out
}

// lines returns the lines of a text that has several, without very short ones.
func lines(text string) []string {
	all := strings.Split(text, "\n")
	if len(all) == 1 {
		return nil
	}
	return slices.DeleteFunc(all, func(line string) bool { return len(strings.TrimSpace(line)) < MinLength })
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// leaves returns the strings and numbers in a decoded document.
func leaves(v any, depth int) []string {
	var out []string
	if depth > 20 {
		return nil
	}
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			out = append(out, leaves(inner, depth+1)...)
		}
	case []any:
		for _, inner := range v {
			out = append(out, leaves(inner, depth+1)...)
		}
	case string:
		if depth > 0 {
			out = append(out, v)
		}
	case float64: // the type of all decoded numbers
		if depth > 0 {
			out = append(out, strconv.FormatFloat(v, 'f', -1, 64))
		}
	}
	return out
}

func printable(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, c := range b {
		if c < 0x20 && c != '\n' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}
