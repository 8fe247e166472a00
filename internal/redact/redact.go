// Package redact keeps secret values out of what is said. It knows values, and
// replaces each by *** and its name, in whatever form an error may echo it: plain,
// base64, URL-encoded or escaped as JSON, YAML or Go write it, broken across lines
// and cut off at the end of a message. It is pure.
package redact

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// MinLength is the shortest value that is redacted: shorter ones would take words
// out of every sentence.
const MinLength = 6

// window is how many bytes of a needle are indexed; no needle is shorter.
const window = MinLength

// Set is a set of secret values. It may be used by several goroutines.
type Set struct {
	mu     sync.RWMutex
	names  map[string]string   // by needle
	index  map[string][]string // needles by their first bytes, longest first
	short  map[string]bool     // names whose values are too short
	public map[string]bool     // values that stand in plain text elsewhere
	words  map[string]bool     // words of what stands in plain text elsewhere
}

// New makes an empty set.
func New() *Set {
	return &Set{names: map[string]string{}, index: map[string][]string{}, short: map[string]bool{}, public: map[string]bool{}, words: map[string]bool{}}
}

// Public says that values are no secrets, as they stand in plain text elsewhere in
// the repo: user names, hosts. Their words are none either where they are but a part
// of a value, as a document's "default" is. It holds for values that are added later.
func (s *Set) Public(values map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for v := range values {
		s.public[v] = true
		for _, word := range strings.FieldsFunc(v, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			s.words[word] = true
		}
	}
}

// Add adds a value and, if it is a document (YAML, JSON, lines of name=value), the
// values in it. name is what is said in its place: Secret web/login, key password.
func (s *Set) Add(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.public[strings.TrimSpace(value)] {
		return
	}
	for i, part := range parts(value) {
		trimmed := strings.TrimSpace(part)
		switch {
		case trimmed == "" || s.public[trimmed] || ordinary(trimmed) || i > 0 && s.words[trimmed]:
		case len(squeeze(trimmed)) < MinLength:
			s.short[name] = true
		default:
			for _, form := range forms(trimmed) {
				s.add(name, form)
			}
			if part != trimmed {
				for _, form := range encoded(part) {
					s.add(name, form)
				}
			}
		}
	}
}

// add adds one needle, without the space in it.
func (s *Set) add(name, form string) {
	needle := squeeze(form)
	if len(needle) < window || s.names[needle] != "" {
		return
	}
	s.names[needle] = name
	key := needle[:window]
	list := append(s.index[key], needle)
	sort.Slice(list, func(i, j int) bool { return len(list[i]) > len(list[j]) })
	s.index[key] = list
}

// Short are the names of values that are too short to be redacted, sorted.
func (s *Set) Short() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []string
	for name := range s.short {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// Text returns text with every known value replaced.
func (s *Set) Text(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.index) == 0 || len(text) < window {
		return text
	}
	// What is searched has no space and no line breaks, as values may be broken anywhere.
	squeezed, at := positions(text)
	cut := len(text) >= longest || strings.HasSuffix(strings.TrimRight(text, " \n\"'"), "...") || strings.HasSuffix(strings.TrimRight(text, " \n\"'"), "…")
	var out strings.Builder
	done := 0 // bytes of text that are in out
	for i := 0; i+window <= len(squeezed); {
		needle, length := s.match(squeezed[i:], cut)
		if needle == "" {
			i++
			continue
		}
		if start := at[i]; start > done {
			out.WriteString(text[done:start])
		}
		out.WriteString("***(" + s.names[needle] + ")")
		done = at[i+length-1] + 1
		i += length
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// longest is what Kubernetes lets an event say: what is as long may be cut off.
const longest = 1000

// match finds the longest needle that squeezed begins with, or, at the end of a
// text that is cut off, a needle of which only the beginning is left.
func (s *Set) match(squeezed string, cut bool) (needle string, length int) {
	for _, n := range s.index[squeezed[:window]] {
		if strings.HasPrefix(squeezed, n) {
			return n, len(n)
		}
	}
	if !cut {
		return "", 0
	}
	for _, n := range s.index[squeezed[:window]] {
		rest := strings.TrimRight(squeezed, `.…"'`)
		if len(rest) >= window && len(rest) < len(n) && strings.HasPrefix(n, rest) {
			return n, len(rest)
		}
	}
	return "", 0
}

// Strings replaces known values in every string that v, a pointer, leads to.
func (s *Set) Strings(v any) { s.walk(reflect.ValueOf(v)) }

func (s *Set) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			s.walk(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				s.walk(v.Field(i))
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			s.walk(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if value := v.MapIndex(key); value.Kind() == reflect.String {
				v.SetMapIndex(key, reflect.ValueOf(s.Text(value.String())).Convert(value.Type()))
			}
		}
	case reflect.String:
		if v.CanSet() && v.Type() == reflect.TypeFor[string]() { // codes and the like have types of their own
			v.SetString(s.Text(v.String()))
		}
	}
}

// ordinary values are in every text, or mean nothing.
func ordinary(v string) bool {
	switch strings.ToLower(v) {
	case "true", "false", "null", "placeholder":
		return true
	}
	return strings.HasPrefix(v, "-----")
}

// forms are all in which a value may be written.
func forms(v string) []string {
	out := []string{v}
	out = append(out, escapes(v)...)
	out = append(out, encoded(v)...)
	for _, u := range []string{url.QueryEscape(v), url.PathEscape(v)} {
		out = append(out, u, lowerHex(u))
	}
	return out
}

// encoded is a value in base64: by itself, and within a longer text, where it may
// begin at any of three bytes.
func encoded(v string) []string {
	var out []string
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		out = append(out, e.EncodeToString([]byte(v)), e.WithPadding(base64.NoPadding).EncodeToString([]byte(v)))
		for shift := range 3 {
			if len(v)+shift < 2*window {
				continue
			}
			whole := (len(v) + shift) / 3 * 3
			text := e.EncodeToString(append(make([]byte, shift), v[:whole-shift]...))
			out = append(out, text[(shift*8+5)/6:])
		}
	}
	return out
}

// escapes are a value as JSON (with and without its escapes for HTML), Go and YAML write it in quotes.
func escapes(v string) []string {
	var out []string
	unquote := func(q string) { out = append(out, strings.TrimSuffix(strings.TrimPrefix(q, `"`), `"`)) }
	if b, err := json.Marshal(v); err == nil {
		unquote(string(b))
		again, err := json.Marshal(strings.TrimSuffix(strings.TrimPrefix(string(b), `"`), `"`))
		if err == nil { // a message that quotes a message
			unquote(string(again))
		}
	}
	unquote(strconv.Quote(v))
	unquote(strconv.QuoteToASCII(v))
	out = append(out, strings.ReplaceAll(v, "'", "''"), strings.ReplaceAll(v, `\`, `\\`), strings.ReplaceAll(v, `"`, `\"`))
	return out
}

// lowerHex writes the escapes of a URL in lower case.
func lowerHex(u string) string {
	var b strings.Builder
	for i := 0; i < len(u); i++ {
		if u[i] == '%' && i+2 < len(u) {
			b.WriteString(strings.ToLower(u[i : i+3]))
			i += 2
			continue
		}
		b.WriteByte(u[i])
	}
	return b.String()
}

// skipped says whether a rune does not count when texts are compared: space, and
// what is put before and at the end of the lines of a block.
func skipped(r rune) bool { return unicode.IsSpace(r) || r == '\u200b' }

// squeeze leaves out what does not count.
func squeeze(s string) string {
	out, _ := positions(s)
	return out
}

// positions squeezes a text and says where each byte was. A line break that is
// written as \n, as in a quoted text, counts as one.
func positions(s string) (string, []int) {
	b := make([]byte, 0, len(s))
	at := make([]int, 0, len(s))
	for i, r := range s {
		if skipped(r) {
			continue
		}
		if r == '\\' && i+1 < len(s) && s[i+1] == 'n' {
			continue
		}
		if r == 'n' && i > 0 && s[i-1] == '\\' && (i < 2 || s[i-2] != '\\') {
			continue
		}
		size := len(string(r))
		if r == unicode.ReplacementChar && s[i] != "\uFFFD"[0] {
			size = 1 // not text
		}
		for k := range size {
			b = append(b, s[i+k])
			at = append(at, i+k)
		}
	}
	return string(b), at
}
