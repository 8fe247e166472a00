// Package redact removes secret values from messages. It replaces each known value by
// *** and its name, in every form in which an error may contain it: plain, base64,
// URL-encoded, escaped as JSON, YAML or Go do, broken across lines, or cut off at the
// end of a message. It is pure.
package redact

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// MinLength is the length, in bytes, of the shortest value that is redacted: shorter
// ones would remove words from every sentence.
const MinLength = 6

// window is how many bytes at the start of a needle (a form of a secret value) are
// indexed. No needle is shorter.
const window = MinLength

// The limits of a set. Of a value with more parts, only the first maxParts are known. When
// there are maxNeedles needles, no more are added. Crowded names the values concerned.
const (
	maxParts   = 500     // of one value
	maxNeedles = 400_000 // forms of all values
)

// Set is a set of secret values. It may be used by several goroutines.
type Set struct {
	mu      sync.Mutex
	names   map[string]string // by needle
	short   map[string]bool   // names whose values are too short
	crowded map[string]bool   // names of values of which not all parts are known
	public  map[string]bool   // values that are in plain text elsewhere in the repo
	words   map[string]bool   // the words of these values
	index   *index            // of the needles; nil when it is out of date
}

// New makes an empty set.
func New() *Set {
	return &Set{names: map[string]string{}, short: map[string]bool{}, crowded: map[string]bool{}, public: map[string]bool{}, words: map[string]bool{}}
}

// Public declares values that are no secrets, as they are in plain text elsewhere in
// the repo, such as user names and hosts. Their words are no secrets either where they
// are only a part of a secret value, as the word "default" in a document is. It has an
// effect only on values that are added later.
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
// values in it. name is what Text writes in place of the value, for example "Secret
// web/login, key password".
func (s *Set) Add(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.public[strings.TrimSpace(value)] {
		return
	}
	all := parts(value)
	if len(all) > maxParts {
		s.crowded[name] = true
		all = all[:maxParts]
	}
	for i, part := range all {
		trimmed := strings.TrimSpace(part)
		switch {
		case trimmed == "" || s.public[trimmed] || ordinary(trimmed) || i > 0 && s.wordy(trimmed):
		case len(squeeze(trimmed)) < MinLength:
			if i == 0 {
				s.short[name] = true
			}
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

// wordy says whether a part of a value is made of words that stand in plain text
// elsewhere, as a document's namespaces and kinds are.
func (s *Set) wordy(part string) bool {
	for _, word := range strings.FieldsFunc(part, func(r rune) bool { return r == '-' || r == '.' || r == '/' || r == ':' }) {
		if !s.words[word] {
			return false
		}
	}
	return true
}

// add adds one form of a value as a needle, without its white space.
func (s *Set) add(name, form string) {
	needle := squeeze(form)
	if len(needle) < window || s.names[needle] != "" {
		return
	}
	if len(s.names) >= maxNeedles {
		s.crowded[name] = true
		return
	}
	s.names[needle] = name
	s.index = nil
}

// Crowded are the names of values of which not every part is known, sorted.
func (s *Set) Crowded() []string { return s.sorted(s.crowded) }

// Short are the names of values that are too short to be redacted, sorted.
func (s *Set) Short() []string { return s.sorted(s.short) }

func (s *Set) sorted(names map[string]bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(names))
}

// Text returns text with every known value replaced by ***(name).
func (s *Set) Text(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.names) == 0 || len(text) < window {
		return text
	}
	if s.index == nil {
		s.index = newIndex(slices.Collect(maps.Keys(s.names)))
	}
	// White space is removed before the search, as values may be broken across lines anywhere.
	squeezed, at := positions(text)
	var out strings.Builder
	done := 0 // bytes of text that are in out
	replace := func(from, to int, needle string) {
		if start := int(at[from]); start > done {
			out.WriteString(text[done:start])
		}
		out.WriteString("***(" + s.names[needle] + ")")
		done = int(at[to-1]) + 1
	}
	for i := 0; i+window <= len(squeezed); {
		if needle := s.index.prefixOf(squeezed[i:]); needle != "" {
			replace(i, i+len(needle), needle)
			i += len(needle)
			continue
		}
		if length, needle := s.cutOff(squeezed[i:]); length > 0 {
			replace(i, i+length, needle)
			i += length
			continue
		}
		i++
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// longestCut is how much of a value that is cut off is looked for.
const longestCut = 256

// cutOff finds a needle that text begins with up to dots, at which YAML and Kubernetes
// have cut it off.
func (s *Set) cutOff(text string) (length int, needle string) {
	if !s.index.begins(text) {
		return 0, ""
	}
	near := text[:min(len(text), longestCut)]
	for _, dots := range []string{"...", "…"} {
		if n := strings.Index(near, dots); n >= window && !s.words[near[:n]] {
			if needle := s.index.startingWith(near[:n]); needle != "" {
				return n, needle
			}
		}
	}
	return 0, ""
}

// ordinary says whether a value is too common to be a secret.
func ordinary(v string) bool {
	switch strings.ToLower(v) {
	case "true", "false", "null", "placeholder":
		return true
	}
	return strings.HasPrefix(v, "-----")
}

// forms returns all forms in which a value may be written.
func forms(v string) []string {
	out := []string{v}
	out = append(out, escapes(v)...)
	out = append(out, encoded(v)...)
	for _, u := range []string{url.QueryEscape(v), url.PathEscape(v)} {
		out = append(out, u, lowerHex(u))
	}
	return out
}

// encoded returns a value in base64: by itself, and as part of a longer text, in which
// it may begin at any of three offsets.
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

// escapes returns a value as JSON (also inside another JSON string), Go and YAML write it in quotes.
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

// lowerHex returns a URL-encoded text with its escapes in lower case.
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

// skipped says whether a rune is ignored when texts are compared: white space, and the
// zero-width space that surrounds the lines of a block.
func skipped(r rune) bool { return unicode.IsSpace(r) || r == '\u200b' }

// squeeze removes what is ignored when texts are compared.
func squeeze(s string) string {
	out, _ := positions(s)
	return out
}

// positions squeezes a text, and returns the offset of each remaining byte in it. A
// line break that is written as \n, as in a quoted text, is removed, too.
func positions(s string) (string, []uint32) {
	b := make([]byte, 0, len(s))
	at := make([]uint32, 0, len(s))
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
			at = append(at, uint32(i+k))
		}
	}
	return string(b), at
}
