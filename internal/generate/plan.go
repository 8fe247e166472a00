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

	"github.com/rogpeppe/go-internal/diff"

	"seatrial.dev/seatrial/internal/secrets"
)

// stateFile records what was generated, so that the next generation knows its
// own files from its owner's.
const stateFile = ".seatrial/state.json"

// state is the record.
type state struct {
	Files map[string]fileRecord `json:"files"`
}

// fileRecord is what is remembered of one file.
type fileRecord struct {
	SHA256 string `json:"sha256"`
	// Shape is the digest of a secret file's shape and recipients.
	Shape string `json:"shape,omitempty"`
}

// Change is what a plan does to one file.
type Change struct {
	Path string
	// Old and New are the contents; nil if there is none.
	Old, New []byte
	Secret   bool
}

// Plan is what a generation will do to a folder. Nothing is written before Apply.
type Plan struct {
	Changes []Change
	// Kept are files that their owner has edited and that stay as they are.
	Kept []string
	dir  string
	next state
}

// Conflict names files that would be overwritten though their owner changed or made them.
type Conflict struct {
	Files []string
}

func (e *Conflict) Error() string {
	return "these files were changed or made by hand, and would be overwritten: " + strings.Join(e.Files, ", ") +
		": move your change into the blueprint (values, for example) and restore them, or move them away"
}

// ErrKeyNeeded says that secrets change, so the old ones must be read.
var ErrKeyNeeded = errors.New("the blueprint changes what is encrypted: give --age-key, so that the credentials that are in use are kept, or --rotate to draw all of them anew")

// Earlier reads the credentials of an earlier generation in dir: nil without
// one. Without a key they can't be read, and known is false.
func Earlier(dir string, key *secrets.Key) (c *Credentials, known bool, err error) {
	b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(credentialsFile)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
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

// MakePlan compares what was rendered with the folder dir. known says that the
// rendered credentials are those in use; fresh that all of them are to be new.
func MakePlan(dir string, files map[string]File, recipients []string, known, fresh bool) (*Plan, error) {
	if len(recipients) == 0 {
		return nil, errors.New("no age recipient to encrypt secrets for")
	}
	last, found, err := readState(dir)
	if err != nil {
		return nil, err
	}
	if !found {
		if err := takesFiles(dir); err != nil {
			return nil, err
		}
	}
	p := &Plan{dir: dir, next: state{Files: map[string]fileRecord{}}}
	var conflicts []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		old, err := readFile(dir, name)
		if err != nil {
			return nil, err
		}
		was, ours := last.Files[name]
		next := fileRecord{SHA256: digest(f.Data)}
		if f.Secret {
			next.Shape = digest(f.Shape, []byte(strings.Join(recipients, ",")))
		}
		same := ours && !fresh && (f.Secret && was.Shape == next.Shape || !f.Secret && was.SHA256 == next.SHA256)
		switch {
		case same && old != nil:
			// Nothing new to say: the file stays, whoever wrote it last.
			p.next.Files[name] = was
			if digest(old) != was.SHA256 {
				p.Kept = append(p.Kept, name)
			}
			continue
		case old != nil && !f.Secret && bytes.Equal(old, f.Data):
			p.next.Files[name] = next
			continue
		case old != nil && (!ours || digest(old) != was.SHA256):
			conflicts = append(conflicts, name)
			continue
		}
		data := f.Data
		if f.Secret {
			if !known && !fresh {
				return nil, ErrKeyNeeded
			}
			if data, err = secrets.Encrypt(f.Data, recipients, secrets.EncryptedRegex); err != nil {
				return nil, fmt.Errorf("encrypt %s: %w", name, err)
			}
			next.SHA256 = digest(data)
		}
		p.next.Files[name] = next
		p.Changes = append(p.Changes, Change{Path: name, Old: old, New: data, Secret: f.Secret})
	}
	for _, name := range slices.Sorted(maps.Keys(last.Files)) {
		if _, still := files[name]; still {
			continue
		}
		old, err := readFile(dir, name)
		switch {
		case err != nil:
			return nil, err
		case old == nil:
		case digest(old) != last.Files[name].SHA256:
			p.Kept = append(p.Kept, name) // no longer ours
		default:
			p.Changes = append(p.Changes, Change{Path: name, Old: old, Secret: last.Files[name].Shape != ""})
		}
	}
	if len(conflicts) > 0 {
		return nil, &Conflict{Files: conflicts}
	}
	return p, nil
}

// takesFiles says why a folder without an earlier generation is not one to
// generate into: only a new or empty one, or a Git repo, is.
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
		return fmt.Errorf("%s is not empty (it holds %s) and no Git repo: give --out a new folder, or the folder of a repo", dir, entries[0].Name())
	}
	return nil
}

func readState(dir string) (state, bool, error) {
	s := state{Files: map[string]fileRecord{}}
	b, err := readFile(dir, stateFile)
	if err != nil || b == nil {
		return s, false, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, false, fmt.Errorf("%s: %w: restore it from Git", stateFile, err)
	}
	return s, true, nil
}

// readFile returns nil for a file that does not exist. A link or a folder in
// its place is an error: nothing is written through one.
func readFile(dir, name string) ([]byte, error) {
	file := filepath.Join(dir, filepath.FromSlash(name))
	info, err := os.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file: move it away", name)
	}
	return os.ReadFile(file)
}

func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Apply writes the plan. Each file appears whole, the record of all last.
func (p *Plan) Apply() error {
	for _, c := range p.Changes {
		if c.New == nil {
			if err := os.Remove(filepath.Join(p.dir, filepath.FromSlash(c.Path))); err != nil {
				return err
			}
			continue
		}
		if err := p.write(c.Path, c.New); err != nil {
			return err
		}
	}
	b, err := json.MarshalIndent(p.next, "", "  ")
	if err != nil {
		return err
	}
	return p.write(stateFile, append(b, '\n'))
}

func (p *Plan) write(name string, b []byte) error {
	file := filepath.Join(p.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, b) {
		return nil
	}
	part := file + ".part"
	if err := os.WriteFile(part, b, 0o644); err != nil {
		return err
	}
	return os.Rename(part, file)
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
			out.WriteByte('\n') // a hunk that ends before the file does
		}
	}
	return out.Bytes()
}

// Write writes rendered files into a new folder, Secrets encrypted.
func Write(dir string, files map[string]File, recipients []string) error {
	p, err := MakePlan(dir, files, recipients, true, false)
	if err != nil {
		return err
	}
	return p.Apply()
}
