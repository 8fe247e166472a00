package blueprint

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"seatrial.dev/seatrial/internal/spelling"
)

// Problem is one mistake in a blueprint.
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

// Invalid is every mistake that was found in a blueprint, in the order of its lines.
type Invalid []Problem

// Error lists all problems, a line each.
func (e Invalid) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// reader collects the problems of one file.
type reader struct {
	file     string
	problems Invalid
	lines    map[string]int // of each value, by its path: services.harbor.version
}

func (r *reader) problem(line int, message, fix string) {
	r.problems = append(r.problems, Problem{r.file, max(line, 1), message, fix})
}

// at reports a problem of the value at a path.
func (r *reader) at(path, message, fix string) { r.problem(r.line(path), path+": "+message, fix) }

// line returns the line of the value at a path or, if the file does not set it, of the
// nearest enclosing value that it sets.
func (r *reader) line(path string) int {
	for path != "" {
		if l, ok := r.lines[path]; ok {
			return l
		}
		i := strings.LastIndexByte(path, '.')
		path = path[:max(i, 0)]
	}
	return 1
}

// Parse reads a blueprint and fills in the defaults. name is the file's name, for
// messages. The error is an Invalid: it lists every mistake with its line, what is
// allowed there, and the likely spelling.
func Parse(name string, b []byte) (*Blueprint, error) {
	r := &reader{file: name, lines: map[string]int{}}
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&doc); err != nil {
		line, message := parseError(err)
		r.problem(line, message, fmt.Sprintf("write YAML that starts with apiVersion: %s and kind: %s", APIVersion, Kind))
		return nil, r.problems
	}
	if err := d.Decode(&yaml.Node{}); err == nil {
		r.problem(1, "the file holds more than one document", "keep one blueprint a file")
		return nil, r.problems
	}
	bp := defaults()
	r.walk(doc.Content[0], reflect.TypeOf(*bp), "")
	if len(r.problems) > 0 {
		return nil, r.sorted()
	}
	if err := doc.Decode(bp); err != nil {
		line, message := parseError(err)
		r.problem(line, message, "see seatrial schema for what each field holds")
		return nil, r.sorted()
	}
	if _, written := r.lines["packagingGlobalNamespace"]; !written && bp.Flavour == Generic {
		bp.PackagingGlobalNamespace = "kapp-controller-packaging-global" // kapp-controller's release creates it
	}
	if _, written := r.lines["services"]; !written {
		bp.Services = Default().Services
	}
	if _, written := r.lines["issuer"]; !written && bp.Services["vault"] == nil {
		if _, asked := r.lines["services.vault"]; !asked {
			bp.Issuer = BootstrapIssuer
		}
	}
	for name, s := range bp.Services {
		if s == nil { // the user wrote "harbor:" with no value
			bp.Services[name] = &Service{}
		}
	}
	r.validate(bp)
	if len(r.problems) > 0 {
		return nil, r.sorted()
	}
	return bp, nil
}

func (r *reader) sorted() Invalid {
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return a.Line - b.Line })
	return r.problems
}

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
func (r *reader) walk(n *yaml.Node, t reflect.Type, path string) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if path != "" {
		r.lines[path] = n.Line
	}
	if t == reflect.TypeFor[RegistryProxy]() && n.Kind == yaml.ScalarNode {
		t = reflect.TypeFor[string]() // the other form of it
	}
	null := n.Kind == yaml.ScalarNode && n.Tag == "!!null"
	want, ok := "", true
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		want, ok = "a mapping of keys to values", n.Kind == yaml.MappingNode || null && path != ""
	case reflect.Slice:
		want, ok = "a list", n.Kind == yaml.SequenceNode || null
	case reflect.String:
		want, ok = "a text (put it in quotes)", n.Kind == yaml.ScalarNode && (n.Tag == "!!str" || null)
	case reflect.Bool:
		want, ok = "true or false", n.Kind == yaml.ScalarNode && n.Tag == "!!bool"
	}
	if !ok {
		where := path
		if where == "" {
			where = "the blueprint"
		}
		r.problem(n.Line, fmt.Sprintf("%s: found %s", where, describe(n)), "write "+want)
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

func (r *reader) walkMapping(n *yaml.Node, t reflect.Type, path string) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		inner := strings.TrimPrefix(path+"."+key.Value, ".")
		if seen[key.Value] {
			r.problem(key.Line, inner+" is written twice", "keep one of them")
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
				names := make([]string, 0, len(fields))
				for i := range t.NumField() {
					names = append(names, t.Field(i).Tag.Get("yaml"))
				}
				r.problem(key.Line, "unknown key "+inner, meant(key.Value, names))
				continue
			}
			r.walk(value, f, inner)
		}
		r.lines[inner] = key.Line
	}
}

func fieldsOf(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for i := range t.NumField() {
		out[t.Field(i).Tag.Get("yaml")] = t.Field(i).Type
	}
	return out
}

// meant suggests a fix: the one of names that is spelt like name, or else all names.
func meant(name string, names []string) string {
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
