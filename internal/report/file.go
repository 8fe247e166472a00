package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// ValidFile refuses a name with an extension that no format has.
func ValidFile(name string) error {
	switch ext := filepath.Ext(name); ext {
	case "", ".json", ".xml", ".md", ".txt":
		return nil
	default:
		return fmt.Errorf("%s: no report is written as %s", name, ext)
	}
}

// WriteFile writes the report to a file, in the format of the file's extension:
// .xml is JUnit, .md Markdown, .txt text, and anything else JSON.
func (r *Report) WriteFile(name string) error {
	write := r.WriteJSON
	switch filepath.Ext(name) {
	case ".xml":
		write = r.WriteJUnit
	case ".md":
		write = r.WriteMarkdown
	case ".txt":
		write = r.WriteText
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
