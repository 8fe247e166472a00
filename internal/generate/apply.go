package generate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/diff"
)

// Apply writes the plan. Each file is replaced by a rename. Before the first one, the state
// file records what is about to be written, so that an interrupted generation can be repeated.
func (p *Plan) Apply() error {
	if p.root == nil {
		if err := os.MkdirAll(p.dir, 0o755); err != nil {
			return err
		}
		var err error
		if p.root, err = os.OpenRoot(p.dir); err != nil {
			return err
		}
	}
	if len(p.Changes) > 0 {
		during := state{Files: maps.Clone(p.last.Files), Pending: p.next.Files}
		if during.Files == nil {
			during.Files = map[string]fileRecord{}
		}
		for name := range p.next.Files { // so that new files count as generated as soon as they appear
			if _, known := during.Files[name]; !known {
				during.Files[name] = fileRecord{}
			}
		}
		if err := p.writeState(during); err != nil {
			return err
		}
	}
	for _, c := range p.Changes {
		if c.New == nil {
			if err := p.root.Remove(filepath.FromSlash(c.Path)); err != nil {
				return err
			}
			continue
		}
		if err := p.write(c.Path, c.New); err != nil {
			return err
		}
	}
	return p.writeState(p.next)
}

func (p *Plan) writeState(s state) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return p.write(stateFile, append(b, '\n'))
}

func (p *Plan) write(name string, b []byte) error {
	file := filepath.FromSlash(name)
	if old, err := read(p.root, name); err != nil || bytes.Equal(old, b) && old != nil {
		return err
	}
	if err := p.root.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	part := fmt.Sprintf("%s.%d.part", file, rand.Uint64())
	f, err := p.root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = p.root.Rename(part, file)
	}
	if err != nil {
		_ = p.root.Remove(part)
	}
	return err
}

// Diff shows the plan as a unified diff. Of encrypted files only the names are told.
func (p *Plan) Diff() []byte {
	var out bytes.Buffer
	for _, c := range p.Changes {
		old, next := "a/"+c.Path, "b/"+c.Path
		if c.Old == nil {
			old = os.DevNull
		}
		if c.New == nil {
			next = os.DevNull
		}
		if c.Secret {
			fmt.Fprintf(&out, "encrypted files %s and %s differ\n", old, next)
			continue
		}
		d := diff.Diff(old, c.Old, next, c.New)
		out.Write(d)
		if !bytes.HasSuffix(d, []byte("\n")) {
			out.WriteByte('\n') // the diff ends without a line end
		}
	}
	return out.Bytes()
}

// Write writes rendered files into a new folder, Secrets encrypted.
func Write(dir string, files map[string]File, recipients []string) error {
	p, err := MakePlan(dir, files, Terms{Recipients: recipients, Known: true})
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Apply()
}
