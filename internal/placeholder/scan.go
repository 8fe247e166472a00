package placeholder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The limits of a scan. What is beyond is left out: a form is then guessed by names alone.
const (
	maxScanned = 4 << 20 // bytes of a file
	maxPlaces  = 64      // of a variable
	maxNames   = 20_000  // variables
	maxDepth   = 200     // of a document
)

// reference matches a variable that Flux substitutes, with the operator and text of its default. Its
// names may come from a Secret.
var reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(?::?[=-]([^}]*)|[^}A-Za-z0-9_][^}]*)?\}`)

// Places finds where the variables of a tree land: by the variable's name or, for a value that a HelmRelease
// takes from a Secret or ConfigMap, by its key there. It reads the YAML files of the tree, also those that do
// not parse.
func Places(tree fs.FS) (map[string][]Place, error) {
	s := scanner{found: map[string][]Place{}}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrPermission) && name != "." {
			return fs.SkipDir
		}
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if ext := path.Ext(name); !d.Type().IsRegular() || ext != ".yaml" && ext != ".yml" {
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > maxScanned {
			return err
		}
		b, err := fs.ReadFile(tree, name)
		if errors.Is(err, fs.ErrPermission) {
			return nil // reading the tree reports it
		}
		if err != nil {
			return err
		}
		s.file(name, b)
		return nil
	})
	return s.found, err
}

type scanner struct{ found map[string][]Place }

func (s *scanner) file(name string, b []byte) {
	if !bytes.Contains(b, []byte("${")) && !bytes.Contains(b, []byte("valuesFrom")) {
		return
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	for {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			s.lines(string(b), Place{File: name})
			return
		}
		if len(doc.Content) == 0 {
			continue
		}
		root := doc.Content[0]
		p := Place{File: name, Kind: text(root, "kind")}
		if p.Kind == "Secret" {
			p.Type = text(root, "type")
		}
		p.Object = p.Kind
		for _, part := range []string{text(root, "metadata", "namespace"), text(root, "metadata", "name")} {
			if part != "" {
				p.Object += "/" + part
			}
		}
		if p.Kind == "HelmRelease" {
			s.values(root, p)
		}
		s.walk(root, p, 0)
	}
}

// walk notes the variables in all scalars below a node. Aliases are noted where they are defined.
func (s *scanner) walk(n *yaml.Node, p Place, depth int) {
	if depth > maxDepth {
		return
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			inner := p
			inner.Key = n.Content[i].Value
			inner.Path = strings.TrimPrefix(p.Path+"."+inner.Key, ".")
			s.walk(n.Content[i+1], inner, depth+1)
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			inner := p
			inner.Path = fmt.Sprintf("%s[%d]", p.Path, i)
			s.walk(c, inner, depth+1)
		}
	case yaml.ScalarNode:
		if strings.Contains(n.Value, "\n") {
			p.Inner = true
			s.lines(n.Value, p)
			return
		}
		s.note(n.Value, p)
	}
}

// keyed is a line with a key, as YAML, JSON and most formats of settings have it.
var keyed = regexp.MustCompile(`^[\s{,-]*["']?([\w./-]+)["']?\s*[:=]\s*(.*?)[\s,}]*$`)

// lines notes the variables in the lines of a text.
func (s *scanner) lines(all string, p Place) {
	for _, l := range strings.Split(all, "\n") {
		if !strings.Contains(l, "${") {
			continue
		}
		inner := p
		if m := keyed.FindStringSubmatch(l); m != nil {
			inner.Key, l = m[1], m[2]
			if strings.HasPrefix(l, "${") && !strings.HasSuffix(l, "}") && strings.Count(l, "{") > strings.Count(l, "}") {
				l += "}" // cut off as if it ended a mapping
			}
		}
		s.note(strings.Trim(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(l), "- ")), `"'`), inner)
	}
}

// note notes the variables in a scalar.
func (s *scanner) note(scalar string, p Place) {
	if !strings.Contains(scalar, "${") {
		return
	}
	for _, m := range reference.FindAllStringSubmatchIndex(scalar, -1) {
		if m[0] > 0 && scalar[m[0]-1] == '$' {
			continue // $${NAME} stands for ${NAME}
		}
		at := p
		at.Text = scalar
		if len(at.Text) > 512 {
			at.Text = scalar[max(0, m[0]-64):min(len(scalar), m[1]+64)]
		}
		if m[4] >= 0 {
			at.Default = strings.Trim(scalar[m[4]:m[5]], `"'`)
		}
		s.add(scalar[m[2]:m[3]], at)
	}
}

func (s *scanner) add(name string, p Place) {
	if list, known := s.found[name]; len(list) < maxPlaces && (known || len(s.found) < maxNames) && !slices.Contains(list, p) {
		s.found[name] = append(list, p)
	}
}

// values notes the values that a HelmRelease takes from Secrets and ConfigMaps.
func (s *scanner) values(root *yaml.Node, p Place) {
	list := lookup(root, "spec", "valuesFrom")
	if list == nil {
		return
	}
	for i, from := range list.Content {
		key, at := text(from, "valuesKey"), text(from, "targetPath")
		if key == "" {
			key = "values.yaml"
		}
		place := p
		place.From = text(from, "kind") + "/" + text(from, "name")
		place.Path, place.Document = fmt.Sprintf("spec.valuesFrom[%d]", i), at == ""
		if at != "" {
			place.Key, place.Inner = lastKey(at), true
		}
		s.add(key, place)
	}
}

// lastKey is the last name in a path of Helm's --set, such as ingress.hosts[0].host.
func lastKey(at string) string {
	at = regexp.MustCompile(`\[\d+\]`).ReplaceAllString(at, "")
	return at[strings.LastIndexByte(at, '.')+1:]
}

// lookup is the node at a path of keys; nil if there is none.
func lookup(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		if n == nil || n.Kind != yaml.MappingNode {
			return nil
		}
		var next *yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				next = n.Content[i+1]
			}
		}
		n = next
	}
	return n
}

func text(n *yaml.Node, keys ...string) string {
	if v := lookup(n, keys...); v != nil && v.Kind == yaml.ScalarNode {
		return v.Value
	}
	return ""
}
