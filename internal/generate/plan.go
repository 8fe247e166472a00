package generate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/secrets"
)

// stateFile records the generated files, so that the next generation can tell which
// files were edited by hand since.
const stateFile = ".seatrial/state.json"

// state is the content of stateFile.
type state struct {
	Files map[string]fileRecord `json:"files"`
	// Pending are files that an interrupted generation may have written.
	Pending map[string]fileRecord `json:"pending,omitempty"`
}

// fileRecord is what the state records of one file. Digests are SHA-256 in hexadecimal.
type fileRecord struct {
	SHA256 string `json:"sha256"`
	// Shape is the digest of a secret file's shape and recipients.
	Shape string `json:"shape,omitempty"`
	// Plain is the digest of a secret file's plain text: it tells a file that was only
	// re-keyed from one that was edited. The credentials in the text have 192 random
	// bits each, so the digest does not give them away.
	Plain string `json:"plain,omitempty"`
}

// Change is what a plan does to one file.
type Change struct {
	Path string
	// Old and New are the contents before and after; nil if the file does not exist then.
	Old, New []byte
	Secret   bool
}

// Plan is what a generation will do to a folder. Nothing is written before Apply.
type Plan struct {
	Changes []Change
	// Kept are files that their owner has edited and that stay as they are.
	Kept []string
	root *os.Root // nil: the folder does not exist yet
	dir  string
	last state
	next state
}

// conflict is the error for files that were written by hand and would be overwritten.
func conflict(files []string) error {
	return hint.New("these files were changed or made by hand, and would be overwritten: "+strings.Join(files, ", "),
		"move your change into the blueprint (values, for example) and restore them, or move them away")
}

// ErrKeyNeeded is returned if a file has to be encrypted again, but the credentials in
// use can't be read without a key.
var ErrKeyNeeded = hint.New("the blueprint changes what is encrypted, and the credentials in use can't be read", "give --age-key, so that they are kept")

// Earlier reads the credentials of an earlier generation in dir. c is nil if there are
// none, or if they can't be read without a key; known tells these apart: it is false
// only in the latter case.
func Earlier(dir string, key *secrets.Key) (c *Credentials, known bool, err error) {
	root, err := open(dir)
	if err != nil || root == nil {
		return nil, root == nil, err
	}
	defer root.Close()
	b, err := read(root, credentialsFile)
	if err != nil || b == nil {
		return nil, b == nil, err
	}
	if key == nil {
		return nil, false, nil
	}
	plain, err := secrets.Decrypt(b, key)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", credentialsFile, err)
	}
	c, err = ReadCredentials(plain)
	return c, err == nil, err
}

// Terms are the conditions that a plan is made under.
type Terms struct {
	Recipients []string
	// Key reads what is encrypted now; nil: nothing can be read.
	Key *secrets.Key
	// Known says that the rendered credentials are those in use, or that none are.
	Known bool
	// Fresh says that all credentials are new.
	Fresh bool
}

// MakePlan compares the rendered files with the folder dir and plans the changes; it
// writes nothing. A file that was edited by hand and would have to change is an error.
// The caller closes the plan.
func MakePlan(dir string, files map[string]File, terms Terms) (*Plan, error) {
	if len(terms.Recipients) == 0 {
		return nil, errors.New("no age recipient to encrypt secrets for")
	}
	root, err := open(dir)
	if err != nil {
		return nil, err
	}
	p := &Plan{dir: dir, root: root, next: state{Files: map[string]fileRecord{}}}
	if err := p.make(files, terms); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Close closes the plan's folder.
func (p *Plan) Close() {
	if p.root != nil {
		p.root.Close()
	}
}

func (p *Plan) make(files map[string]File, terms Terms) error {
	found, err := p.readState()
	if err != nil {
		return err
	}
	if !found {
		if err := takesFiles(p.dir); err != nil {
			return err
		}
	}
	var conflicts []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		clash, err := p.file(name, files[name], terms)
		if err != nil {
			return err
		}
		if clash {
			conflicts = append(conflicts, name)
		}
	}
	if err := p.dropped(files, terms.Key); err != nil {
		return err
	}
	if len(conflicts) > 0 {
		return conflict(conflicts)
	}
	// The record of credentials is written first: all other files can be rendered again from it.
	if i := slices.IndexFunc(p.Changes, func(c Change) bool { return c.Path == credentialsFile }); i > 0 {
		record := p.Changes[i]
		p.Changes = slices.Insert(slices.Delete(p.Changes, i, i+1), 0, record)
	}
	return nil
}

// file plans one file. clash is true if the file was written by hand and would have to change.
func (p *Plan) file(name string, f File, terms Terms) (clash bool, err error) {
	old, err := read(p.root, name)
	if err != nil {
		return false, err
	}
	next := fileRecord{SHA256: digest(f.Data)}
	if f.Secret {
		next.Shape = digest(f.Shape, []byte(strings.Join(terms.Recipients, ",")))
		normal, err := secrets.Normal(f.Data)
		if err != nil {
			return false, fmt.Errorf("%s: %w", name, err)
		}
		next.Plain = digest(normal)
	}
	was, known := p.last.Files[name]
	ours := known && p.ours(name, old, terms.Key)
	same := known && !terms.Fresh && (f.Secret && was.Shape == next.Shape || !f.Secret && was.SHA256 == next.SHA256)
	switch {
	case same && old != nil:
		// Nothing has changed in what is rendered: the file stays, whoever wrote it last.
		p.next.Files[name] = was
		if !ours {
			p.Kept = append(p.Kept, name)
		}
		return false, nil
	case old != nil && !f.Secret && bytes.Equal(old, f.Data):
		p.next.Files[name] = next
		return false, nil
	case old != nil && !ours:
		return true, nil
	}
	data := f.Data
	if f.Secret {
		if !terms.Known {
			return false, ErrKeyNeeded
		}
		if data, err = secrets.Encrypt(f.Data, terms.Recipients, secrets.EncryptedRegex); err != nil {
			return false, fmt.Errorf("encrypt %s: %w", name, err)
		}
		next.SHA256 = digest(data)
	}
	p.next.Files[name] = next
	p.Changes = append(p.Changes, Change{Path: name, Old: old, New: data, Secret: f.Secret})
	return false, nil
}

// ours says whether a file is as an earlier generation wrote it: byte for byte or,
// which only a key can tell, re-keyed since.
func (p *Plan) ours(name string, old []byte, key *secrets.Key) bool {
	for _, was := range []fileRecord{p.last.Files[name], p.last.Pending[name]} {
		if was.SHA256 != "" && digest(old) == was.SHA256 {
			return true
		}
		if was.Plain == "" || key == nil {
			continue
		}
		if plain, err := secrets.Decrypt(old, key); err == nil && digest(plain) == was.Plain {
			return true
		}
	}
	return false
}

// dropped plans the removal of files that an earlier generation wrote and this one does
// not. Those that were edited by hand are kept.
func (p *Plan) dropped(files map[string]File, key *secrets.Key) error {
	for _, name := range slices.Sorted(maps.Keys(p.last.Files)) {
		if _, still := files[name]; still {
			continue
		}
		old, err := read(p.root, name)
		switch {
		case err != nil:
			return err
		case old == nil:
		case !p.ours(name, old, key):
			p.Kept = append(p.Kept, name) // edited by hand
		default:
			p.Changes = append(p.Changes, Change{Path: name, Old: old, Secret: p.last.Files[name].Shape != ""})
		}
	}
	return nil
}

// Generated says whether a folder was generated before.
func Generated(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, filepath.FromSlash(stateFile)))
	return err == nil
}

// takesFiles returns an error if a folder without an earlier generation is not one to
// generate into: it must be new, empty, or a Git repo.
func takesFiles(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == ".git" {
			return nil
		}
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty (it holds %s) and no Git repo: give --out a new folder, or make it one with git init", dir, entries[0].Name())
	}
	return nil
}

// readState reads the state file; found is false if there is none.
func (p *Plan) readState() (found bool, err error) {
	b, err := read(p.root, stateFile)
	if err != nil || b == nil {
		return false, err
	}
	if err := json.Unmarshal(b, &p.last); err != nil {
		return false, fmt.Errorf("%s: %w: restore it from Git", stateFile, err)
	}
	for name := range p.last.Files {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return false, fmt.Errorf("%s names %q, which is outside the repo: restore it from Git", stateFile, name)
		}
	}
	return true, nil
}

// open opens a folder in a way that no symbolic link in it can lead outside; nil if the
// folder does not exist.
func open(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return root, err
}

// read returns nil for a file that does not exist. A link or a folder in its
// place is an error.
func read(root *os.Root, name string) ([]byte, error) {
	if root == nil {
		return nil, nil
	}
	file := filepath.FromSlash(name)
	info, err := root.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: is a folder above it a link?", name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file: move it away", name)
	}
	return root.ReadFile(file)
}

func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}
