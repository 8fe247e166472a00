package gitops

import (
	"path"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Document is one YAML document of the tree. What it holds is not to be changed.
type Document struct {
	File string
	Line int
	// Content is the document, decoded.
	Content map[string]any
}

// GroupKind is that of the object which the document is; empty if it is none.
func (d Document) GroupKind() schema.GroupKind { return document{content: d.Content}.gk() }

// Name and Namespace are those of its metadata.
func (d Document) Name() string      { return document{content: d.Content}.name() }
func (d Document) Namespace() string { return document{content: d.Content}.namespace() }

// LayerPath is the path of the Kustomization that the document is; "" for any other.
func (d Document) LayerPath() string {
	if d.GroupKind() != KustomizationKind {
		return ""
	}
	return clean(document{content: d.Content}.str("spec", "path"))
}

// Documents are all YAML documents of the tree, by file.
func (t *Tree) Documents() []Document {
	var out []Document
	for _, name := range t.names() {
		for _, d := range t.files[name].docs {
			out = append(out, Document{name, d.line, d.content})
		}
	}
	return out
}

// templates are the extensions of files that some program makes YAML of.
var templates = []string{".j2", ".gotmpl", ".tpl", ".tmpl", ".jinja"}

// Templates are the documents in files that a program makes YAML of, as far as they are YAML before that.
func (t *Tree) Templates() []Document {
	var out []Document
	t.each(func(name string, b []byte) {
		if slices.Contains(templates, path.Ext(name)) {
			for _, d := range parse(name, b).docs {
				out = append(out, Document{name, d.line, d.content})
			}
		}
	})
	return out
}

// Plain is the object that a document is, in plain text if it can be opened.
func (r *Repo) Plain(d Document) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: JSON(d.Content)}
	if _, encrypted := u.Object["sops"]; encrypted {
		u.Object = r.open(&Object{Unstructured: u})
		delete(u.Object, "sops")
	}
	return u
}

// Applied finds an object that a layer applies, by its identity, with the layer.
func (r *Repo) Applied(identity string) (*Object, *Layer) {
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.Identity() == identity {
				return o, l
			}
		}
	}
	return nil, nil
}

// Mentions says whether any file of the tree has a text.
func (t *Tree) Mentions(text *regexp.Regexp) bool {
	found := false
	t.each(func(_ string, b []byte) { found = found || text.Match(b) })
	return found
}
