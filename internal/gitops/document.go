package gitops

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// document is one YAML document of a file, and the line of its kind.
type document struct {
	line    int // of its key "kind", or else of its beginning
	content map[string]any
	node    *yaml.Node
	file    string // where it is; only of sources, once they were looked for
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// parse reads the documents of a file, with aliases expanded. The error of a file that
// is not text or not YAML has its line.
func parse(name string, b []byte) *file {
	f := &file{}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		f.err = &ParseError{File: name, Line: 1 + bytes.Count(b[:i], []byte("\n")), Message: "not a text file"}
		return f
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	for {
		var node yaml.Node
		err := d.Decode(&node)
		if errors.Is(err, io.EOF) {
			return f
		}
		if err != nil {
			e := &ParseError{File: name, Message: strings.TrimPrefix(err.Error(), "yaml: ")}
			if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
				e.Line, _ = strconv.Atoi(m[1])
				e.Message = strings.TrimPrefix(e.Message, m[0]+": ")
			}
			e.Limit = strings.Contains(e.Message, "exceeded max depth")
			f.err = e
			return f
		}
		why := tooMuch(&node)
		if why == "" {
			why = hiddenBelow(&node)
		}
		if why != "" {
			f.err = &ParseError{File: name, Line: node.Line, Message: why, Limit: true}
			return f
		}
		var content map[string]any
		if err := node.Decode(&content); err != nil || content == nil {
			f.partly = f.partly || lookup(&node, "kind") != nil // for example, it has a key twice
			continue                                            // a list, a scalar or nothing: not an object
		}
		doc := document{line: node.Line, content: content, node: &node}
		if k := lookup(&node, "kind"); k != nil {
			doc.line = k.Line
		}
		f.docs = append(f.docs, doc)
	}
}

// lookup returns the value node at a path of mapping keys, or nil.
func lookup(n *yaml.Node, keys ...string) *yaml.Node {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
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

func (d document) value(keys ...string) any {
	var v any = d.content
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

func (d document) str(keys ...string) string {
	s, _ := d.value(keys...).(string)
	return s
}

func (d document) name() string      { return d.str("metadata", "name") }
func (d document) namespace() string { return d.str("metadata", "namespace") }

func (d document) gk() schema.GroupKind {
	gv, err := schema.ParseGroupVersion(d.str("apiVersion"))
	if err != nil {
		return schema.GroupKind{}
	}
	return schema.GroupKind{Group: gv.Group, Kind: d.str("kind")}
}

// Identity is Kind/namespace/name, or Kind/name.
func Identity(kind, namespace, name string) string {
	if namespace == "" {
		return kind + "/" + name
	}
	return fmt.Sprintf("%s/%s/%s", kind, namespace, name)
}
