package strict

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// fieldsOf returns the types of a struct's fields, by their keys. Those of an embedded struct with the tag
// ",inline" are its own, and one with the tag "-" has no key.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			maps.Copy(out, fieldsOf(f.Type))
		case key != "-":
			out[key] = f.Type
		}
	}
	return out
}

// namesOf lists the keys of a struct, in the order of its fields.
func namesOf(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			out = append(out, namesOf(f.Type)...)
		case key != "-":
			out = append(out, key)
		}
	}
	return out
}

// Bare is a type of text that may be written without quotes where YAML reads something else than a text.
type Bare interface {
	// Bare lists the tags of what YAML then reads, such as !!timestamp.
	Bare() []string
}

// bare says whether a text of type t may be written as a scalar with a tag.
func bare(t reflect.Type, tag string) bool {
	b, ok := reflect.Zero(t).Interface().(Bare)
	return ok && slices.Contains(b.Bare(), tag)
}
