package report

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// format is a way to write a report.
type format struct {
	extension, name string
	write           func(*Report, io.Writer) error
	writeList       func(*List, io.Writer) error
}

// formats are all formats; a file without an extension gets the first.
var formats = []format{
	{".json", "JSON", (*Report).WriteJSON, (*List).WriteJSON},
	{".xml", "JUnit", (*Report).WriteJUnit, (*List).WriteJUnit},
	{".md", "Markdown", (*Report).WriteMarkdown, (*List).WriteMarkdown},
	{".txt", "text", func(r *Report, w io.Writer) error { return r.WriteText(w, false) }, func(l *List, w io.Writer) error { return l.WriteText(w, false) }},
}

// Extensions lists the formats by their extensions, for a person.
func Extensions() string {
	var out []string
	for _, f := range formats {
		out = append(out, f.extension+" ("+f.name+")")
	}
	return strings.Join(out, ", ")
}

// formatOf is the format of a file's extension.
func formatOf(name string) (format, error) {
	extension := filepath.Ext(name)
	if extension == "" {
		return formats[0], nil
	}
	for _, f := range formats {
		if f.extension == extension {
			return f, nil
		}
	}
	return format{}, fmt.Errorf("no report is written as %s: use one of %s", extension, Extensions())
}

// ValidFile returns an error if no format has the file's extension.
func ValidFile(name string) error {
	_, err := formatOf(name)
	return err
}

// WriteFile writes the report to a file, in the format of the file's extension.
func (r *Report) WriteFile(name string) error {
	f, err := formatOf(name)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := f.write(r, &b); err != nil {
		return err
	}
	return save(name, b.Bytes())
}
