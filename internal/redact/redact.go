// Package redact keeps secret values out of what is said. It knows values, and
// replaces each by *** and its name, in whatever form an error may echo it: plain,
// base64, URL-encoded or escaped as JSON, YAML or Go write it, broken across lines
// and cut off at the end of a message. It is pure.
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

// MinLength is the shortest value that is redacted: shorter ones would take words
// out of every sentence.
const MinLength = 6

// window is how many bytes of a needle are indexed; no needle is shorter.
const window = MinLength

// What a set holds at the most. A value beyond that is known as a whole, and not by
// its lines and parts; beyond maxNeedles no more are known. Crowded says so.
const (
	maxParts   = 500     // of one value
	maxNeedles = 400_000 // forms of all values
)

// Set is a set of secret values. It may be used by several goroutines.
type Set struct {
	mu      sync.Mutex
	names   map[string]string // by needle
	short   map[string]bool   // names whose values are too short
	crowded map[string]bool   // names whose values are too many
	public  map[string]bool   // values that stand in plain text elsewhere
	words   map[string]bool   // words of what stands in plain text elsewhere
	index   *index            // of the needles; nil when there are new ones
}

// New makes an empty set.
func New() *Set {
	return &Set{names: map[string]string{}, short: map[string]bool{}, crowded: map[string]bool{}, public: map[string]bool{}, words: map[string]bool{}}
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

// add adds one needle, without the space in it.
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

// Text returns text with every known value replaced.
func (s *Set) Text(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.names) == 0 || len(text) < window {
		return text
	}
	if s.index == nil {
		s.index = newIndex(slices.Collect(maps.Keys(s.names)))
	}
	// What is searched has no space and no line breaks, as values may be broken anywhere.
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

// cutOff finds a needle of which text begins with a part, if it is cut off after
// that: by dots, as YAML and Kubernetes cut.
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
