// Package strict reads YAML files that people write: every mistake is told at once, with its line,
// what is allowed there, and the likely spelling.
package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"seatrial.dev/seatrial/internal/spelling"
)

// Problem is one mistake in a file.
type Problem struct {
	File    string
	Line    int
	Message string
	Fix     string
}

// String is file:line, the problem and its fix.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", p.File, p.Line, p.Message, p.Fix)
}

// Invalid is every mistake that was found in a file, in the order of its lines.
type Invalid []Problem

// Error lists all problems, a line each.
func (e Invalid) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Reader collects the problems of one file.
type Reader struct {
	file     string
	what     string // what the file holds, for messages: the blueprint
	forms    map[reflect.Type]reflect.Type
	problems Invalid
	lines    map[string]int // of each value, by its path: services.harbor.version
	read     int            // values that walk has seen
}

// What is read of a file, which may be a stranger's. Aliases stand for as many values as they repeat.
const (
	maxValues   = 100_000
	maxProblems = 100
)

// Problem reports a mistake in a line. After many, no more are kept: they are likely one.
func (r *Reader) Problem(line int, message, fix string) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, Problem{r.file, max(line, 1), message, fix})
	}
}

// tooMuch says whether the file has had its share of attention.
func (r *Reader) tooMuch() bool { return r.read > maxValues || len(r.problems) >= maxProblems }

// At reports a problem of the value at a path.
func (r *Reader) At(path, message, fix string) { r.Problem(r.Line(path), path+": "+message, fix) }

// Line returns the line of the value at a path or, if the file does not set it, of the
// nearest enclosing value that it sets.
func (r *Reader) Line(path string) int {
	for path != "" {
		if l, ok := r.lines[path]; ok {
			return l
		}
		i := strings.LastIndexByte(path, '.')
		path = path[:max(i, 0)]
	}
	return 1
}

// Read reads a YAML file of one document into a struct, whose fields have yaml tags. name is the
// file's name, what it holds is for messages ("the blueprint"), and header says how it starts. forms
// are types that may also be written as a scalar of another type. The error is an Invalid; without
// one, the Reader takes what else is wrong.
func Read(name, what, header string, b []byte, into any, forms map[reflect.Type]reflect.Type) (*Reader, error) {
	r := &Reader{file: name, what: what, forms: forms, lines: map[string]int{}}
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&doc); err != nil {
		line, message := parseError(err)
		r.Problem(line, message, "write YAML that starts with "+header)
		return nil, r.problems
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) { // a second document, or what is meant to be one
		r.Problem(1, "the file holds more than one document", "keep one "+strings.TrimPrefix(what, "the ")+" a file")
		return nil, r.problems
	}
	r.walk(doc.Content[0], reflect.TypeOf(into).Elem(), "")
	if r.read > maxValues {
		r.Problem(1, fmt.Sprintf("%s holds more than %d values", what, maxValues), "write less, or repeat less of it with aliases")
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	if err := doc.Decode(into); err != nil {
		line, message := parseError(err)
		r.Problem(line, message, "see seatrial schema for what each field holds")
		return nil, r.Err()
	}
	return r, nil
}

// Err is every problem so far, in the order of the lines; nil if there is none.
func (r *Reader) Err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return a.Line - b.Line })
	return r.problems
}

// OneOf reports a value that is none of the allowed ones.
func (r *Reader) OneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		r.At(key, fmt.Sprintf("got %q", value), Meant(value, allowed))
	}
}

// Written says whether the file sets the value at a path.
func (r *Reader) Written(path string) bool { _, ok := r.lines[path]; return ok }

// parseError splits an error of the YAML library into the line (0 if it names none) and
// the message.
func parseError(err error) (int, string) {
	message := strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "yaml: ")), " ")
	message = strings.TrimPrefix(message, "unmarshal errors: ")
	var line int
	if _, scan := fmt.Sscanf(message, "line %d:", &line); scan == nil {
		_, message, _ = strings.Cut(message, ": ")
	}
	if message == "EOF" {
		message = "the file is empty"
	}
	return line, message
}

// walk compares a YAML node with the Go type that it will be decoded into: unknown keys
// and wrong types are problems. It also records the line of each value.
func (r *Reader) walk(n *yaml.Node, t reflect.Type, path string) {
	if r.read++; r.tooMuch() {
		return
	}
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if path != "" {
		r.lines[path] = n.Line
	}
	if other, ok := r.forms[t]; ok && n.Kind == yaml.ScalarNode {
		t = other
	}
	null := n.Kind == yaml.ScalarNode && n.Tag == "!!null"
	want, ok := "", true
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		want, ok = "a mapping of keys to values", n.Kind == yaml.MappingNode || null && path != ""
	case reflect.Slice:
		want, ok = "a list", n.Kind == yaml.SequenceNode || null
	case reflect.String:
		want, ok = "a text (put it in quotes)", n.Kind == yaml.ScalarNode && (n.Tag == "!!str" || null || bare(t, n.Tag))
	case reflect.Bool:
		want, ok = "true or false", n.Kind == yaml.ScalarNode && n.Tag == "!!bool"
	}
	if !ok {
		where := path
		if where == "" {
			where = r.what
		}
		r.Problem(n.Line, fmt.Sprintf("%s: found %s", where, describe(n)), "write "+want)
		return
	}
	switch {
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for i, e := range n.Content {
			r.walk(e, t.Elem(), fmt.Sprintf("%s.%d", path, i))
		}
	case n.Kind == yaml.MappingNode:
		r.walkMapping(n, t, path)
	}
}

func (r *Reader) walkMapping(n *yaml.Node, t reflect.Type, path string) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		inner := strings.TrimPrefix(path+"."+key.Value, ".")
		if seen[key.Value] {
			r.Problem(key.Line, inner+" is written twice", "keep one of them")
		}
		seen[key.Value] = true
		r.lines[inner] = key.Line
		switch t.Kind() {
		case reflect.Map:
			if t.Elem().Kind() == reflect.Interface {
				continue // values of a chart: only the chart knows their keys
			}
			r.walk(value, t.Elem(), inner)
		case reflect.Struct:
			fields := fieldsOf(t)
			f, known := fields[key.Value]
			if !known {
				r.Problem(key.Line, "unknown key "+inner, Meant(key.Value, namesOf(t)))
				continue
			}
			r.walk(value, f, inner)
		}
		r.lines[inner] = key.Line
	}
}

// Meant suggests a fix: the one of names that is spelt like name, or else all names.
func Meant(name string, names []string) string {
	if near := spelling.Nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	return "use one of " + strings.Join(names, ", ")
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return "the truth value " + n.Value
	case "!!timestamp":
		return "the date " + n.Value
	}
	return fmt.Sprintf("the text %q", n.Value)
}
