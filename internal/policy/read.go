package policy

import (
	"fmt"
	"io"
	"io/fs"

	"seatrial.dev/seatrial/internal/declaration"
	"seatrial.dev/seatrial/internal/strict"
)

// maxSize is the largest .seatrial.yaml that is read, in bytes.
const maxSize = 256 << 10

// Read reads the .seatrial.yaml of a tree; nil if it has none. The error is a strict.Invalid: it lists every mistake with
// its line, paths that are not in the tree among them.
func Read(tree fs.FS) (*Rehearsal, error) {
	return ReadFrom(declaration.In(tree), func() ([]byte, error) {
		f, err := tree.Open(File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, maxSize+1))
	})
}

// ReadFrom is Read for a tree that is no file system: look says what is there, and text is the file's.
func ReadFrom(look declaration.Look, text func() ([]byte, error)) (*Rehearsal, error) {
	switch kind, there := look(File); {
	case !there:
		return nil, nil
	case !kind.IsRegular():
		return nil, strict.Invalid{{File: File, Line: 1, Message: "it is no regular file", Fix: "write it as a file: its mistakes are told by its lines"}}
	}
	b, err := text()
	if err != nil {
		return nil, err
	}
	return readText(File, b, look)
}

// Parse reads the text of a .seatrial.yaml without its tree. The error lists every mistake with its line.
func Parse(name string, b []byte) (*Rehearsal, error) { return readText(name, b, nil) }

// readText looks for the paths that the file names, unless look is nil.
func readText(name string, b []byte, look declaration.Look) (*Rehearsal, error) {
	if len(b) > maxSize {
		return nil, strict.Invalid{{File: name, Line: 1, Message: fmt.Sprintf("it is larger than %d KiB", maxSize>>10), Fix: "name folders in place of files, and objects by patterns"}}
	}
	var out Rehearsal
	r, err := strict.Read(name, "the file", fmt.Sprintf("apiVersion: %s and kind: %s", APIVersion, Kind), b, &out, nil)
	if err != nil {
		return nil, err
	}
	r.OneOf("apiVersion", out.APIVersion, APIVersion)
	r.OneOf("kind", out.Kind, Kind)
	out.Declaration.Complete(r, look)
	if out.Promotion != nil {
		out.Promotion.Complete(r)
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return &out, nil
}
