package placeholder

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Made is a placeholder that a rehearsal used.
type Made struct {
	// Value is the plain value, Name the key or variable that has it, and File where.
	Value, Name, File string
	// Secret is namespace/name of the Secret that holds it, as written; empty if none does.
	Secret string
	// Places are where else it lands.
	Places []Place
}

// Set is a list of placeholders that were made. It may be used by several goroutines; a nil Set is empty.
type Set struct {
	mu    sync.Mutex
	list  []Made
	known map[[4]string]bool
}

// Add notes a placeholder, once.
func (s *Set) Add(m Made) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [4]string{m.Value, m.Name, m.File, m.Secret}
	if s.known[key] {
		return
	}
	if s.known == nil {
		s.known = map[[4]string]bool{}
	}
	s.known[key] = true
	s.list = append(s.list, m)
}

// All are the placeholders, in the order in which they were made.
func (s *Set) All() []Made {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

// Blamed is the placeholder that a refusal is about; false if it is about none of the set. object is
// Kind/namespace/name of what was refused, and said is what the API server or a controller said of it. A
// placeholder is to blame if
//   - said quotes a value that nothing but a placeholder has,
//   - said quotes another of its values, or names a field, where the object has a placeholder, or
//   - said is about the content of a Secret that has placeholders for values, or about a chart that takes
//     values from one.
func (s *Set) Blamed(object, said string) (Made, bool) {
	var best Made
	blamed := false
	for _, m := range s.All() {
		if !m.telling() || !quotes(said, m.Value) {
			if blamed || !m.refused(object, said) && !m.content(said) {
				continue
			}
		}
		if !blamed || len(m.Value) > len(best.Value) { // the longest: one may be a part of another
			best, blamed = m, true
		}
	}
	return best, blamed
}

// secretName is the name of its Secret, without the namespace.
func (m Made) secretName() string { return m.Secret[strings.LastIndexByte(m.Secret, '/')+1:] }

// telling says whether a value is known as a placeholder wherever it is read.
func (m Made) telling() bool {
	return strings.Contains(m.Value, Mark) && !strings.Contains(m.Value, "\n")
}

// quotes says whether a text has a value as a word of its own, or within a longer one.
func quotes(said, value string) bool {
	for from := 0; ; {
		i := strings.Index(said[from:], value)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(value)
		if (i == 0 || !wordByte(said[i-1])) && (end == len(said) || !wordByte(said[end])) {
			return true
		}
		from = i + 1
	}
}

func wordByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}

// invalid are the values that the API server quotes, and the ways in which parsers do.
var invalid = regexp.MustCompile(`(?:Invalid value|Unsupported value|Duplicate value): ("(?:[^"\\]|\\.)*"|[^\s:,]+)|(?:invalid|parse|parsing|unmarshal|convert)[^\n"']{0,60}["']([^"'\n]+)["']`)

// refused says whether the object has the placeholder in a field that the text is about.
func (m Made) refused(object, said string) bool {
	for _, p := range m.Places {
		if p.Object == "" || !same(p.Object, object) {
			continue
		}
		if strings.HasPrefix(p.Path, "spec.valuesFrom[") && (m.Secret == "" || p.From == "Secret/"+m.secretName()) && rendering.MatchString(said) {
			return true
		}
		for _, q := range invalid.FindAllStringSubmatch(said, -1) {
			if v := strings.Trim(q[1]+q[2], `"`); quotes(v, m.Value) {
				return true
			}
		}
		if field := anyIndex.ReplaceAllString(p.Path, ""); !p.Inner && strings.Contains(field, ".") && quotes(anyIndex.ReplaceAllString(said, ""), field) {
			return true
		}
	}
	return false
}

var anyIndex = regexp.MustCompile(`\[[^\]]*\]`)

// same says whether an object as it is written in a file may be one of the cluster: a build may
// give it another namespace, and add to its name.
func same(written, built string) bool {
	a, b := strings.Split(written, "/"), strings.Split(built, "/")
	if a[0] != b[0] {
		return false
	}
	name := a[len(a)-1]
	return strings.Contains(name, "$") || strings.Contains(b[len(b)-1], name)
}

// rendering is how Helm says that a chart does not take its values.
var rendering = regexp.MustCompile(`execution error at|don't meet the specifications of the schema|nil pointer evaluating|wrong type for value|error calling|error converting YAML|values from|is required`)

// unusable are the words of controllers for a Secret that is there, and holds what they can't use.
var unusable = regexp.MustCompile(`(?i)\b(invalid|malformed|illegal|failed to (parse|decode|load|create)|could not (parse|decode)|unable to (parse|decode)|no PEM|PEM data|cannot unmarshal|unauthori[sz]ed|authentication)\b`)

// content says whether a text is about what the placeholder's Secret holds, not about its being there.
func (m Made) content(said string) bool {
	if m.Secret == "" || strings.Contains(strings.ToLower(said), "not found") || strings.Contains(said, "metadata.") {
		return false
	}
	name := m.secretName()
	for _, q := range []string{"'" + m.Secret + "'", `"` + m.Secret + `"`, "'" + name + "'", `"` + name + `"`, " " + m.Secret + " ", " " + m.Secret + ":"} {
		if strings.Contains(said, q) && strings.Contains(strings.ToLower(said), "secret") && unusable.MatchString(said) {
			return true
		}
	}
	return false
}
