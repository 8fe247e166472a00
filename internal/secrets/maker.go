package secrets

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"sync"

	"github.com/getsops/sops/v3"

	"seatrial.dev/seatrial/internal/placeholder"
	"seatrial.dev/seatrial/internal/sealed"
)

// Opener returns the plain text of an encrypted file: decrypted, or with placeholders for its values. The
// format of encrypted is seen by its content. That of the plain text is what kustomize-controller takes
// it for by its name: a path, or a key in a Secret. An object that was built already is opened as JSON, with a
// name that ends in .json. An Opener can be used by several goroutines.
type Opener func(name string, encrypted []byte) (plain []byte, err error)

// Opening is the Opener of a rehearsal: with a key (nil: none) it decrypts the files that are meant for
// such a key, and m makes placeholders for the rest.
func Opening(key *Key, m *Maker) Opener {
	return func(name string, encrypted []byte) ([]byte, error) {
		if key.Suits(encrypted) {
			return key.Open(name, encrypted)
		}
		return m.Open(name, encrypted)
	}
}

// Maker makes encrypted files anew that nobody here can decrypt: with placeholders for their values, and for a
// key that exists in memory only. Open and Rekey make the same values.
type Maker struct {
	key    *Key
	places map[string][]placeholder.Place
	made   placeholder.Set

	mu    sync.Mutex
	names map[[sha256.Size]byte]string // of binary files, by content: the name that the value's form was taken from
}

// NewMaker makes a maker, and its key. places are where the variables of the tree land (placeholder.Places).
func NewMaker(places map[string][]placeholder.Place) (*Maker, error) {
	key, err := NewKey()
	if err != nil {
		return nil, err
	}
	return &Maker{key: key, places: places, names: map[[sha256.Size]byte]string{}}, nil
}

// Key decrypts what Rekey makes.
func (m *Maker) Key() *Key { return m.key }

// Made are the placeholders in the files that Rekey has made.
func (m *Maker) Made() *placeholder.Set { return &m.made }

// Open returns the plain text of an encrypted file with placeholders for its values. It is an Opener.
func (m *Maker) Open(name string, encrypted []byte) (plain []byte, err error) {
	defer recovered(&err)
	_, parts, err := m.fill(name, encrypted, false)
	if err != nil {
		return nil, err
	}
	return emit(sealed.FormatOf(name), parts)
}

// Rekey makes an encrypted file anew, in its format and with its names, for the maker's key, whatever keys it was
// encrypted for. It is an error if kustomize-controller could not decrypt the original with any key.
func (m *Maker) Rekey(file string, encrypted []byte) (remade []byte, err error) {
	defer recovered(&err)
	format, parts, err := m.fill(file, encrypted, true)
	if err != nil {
		return nil, err
	}
	return m.encrypt(format, parts)
}

// encrypt writes the parts of a file, encrypted for the maker's key where they were encrypted.
func (m *Maker) encrypt(format sealed.Format, parts []part) ([]byte, error) {
	var all [][]byte
	for _, p := range parts {
		var b []byte
		var err error
		if p.metadata == nil {
			b, err = storeFor(format).EmitPlainFile(p.branches)
		} else {
			b, err = encryptAs(storeFor(format), p.branches, m.key.Recipients(), *p.metadata)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	if len(all) == 0 {
		return nil, errors.New("it holds no document")
	}
	return bytes.Join(all, []byte("---\n")), nil
}

// recovered makes an error of a panic: SOPS has some for files that are not as it writes them.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("SOPS can't read it: %v", r)
	}
}

// fill reads an encrypted file and puts placeholders in. SOPS itself decides which values are encrypted, as it decrypts
// the file with a cipher that returns placeholders.
func (m *Maker) fill(name string, encrypted []byte, note bool) (sealed.Format, []part, error) {
	format, parts, err := load(encrypted)
	if err != nil {
		return "", nil, err
	}
	for i, p := range parts {
		if p.metadata == nil {
			continue
		}
		if p.metadata.MasterKeyCount() == 0 {
			return "", nil, errors.New("it names no key that could decrypt it")
		}
		for _, b := range p.branches {
			s := &stand{maker: m, doc: aboutDocument(b, name, m.binaryName(format, b, name, encrypted)), note: note}
			if _, err := (sops.Tree{Branches: sops.TreeBranches{b}, Metadata: *p.metadata}).Decrypt(nil, s); err != nil {
				return "", nil, concealed(err)
			}
		}
		parts[i] = p
	}
	return format, parts, nil
}

// binaryName is the name that the form of a binary file's only value is taken from: the first one that the same content was
// seen under, so that it gets the same value under each of its names; empty for other files.
func (m *Maker) binaryName(format sealed.Format, b sops.TreeBranch, name string, content []byte) string {
	if format != sealed.JSON || len(b) != 1 || b[0].Key != "data" {
		return ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	id := sha256.Sum256(content)
	if m.names[id] == "" {
		m.names[id] = path.Base(name)
	}
	return m.names[id]
}

// concealed is an error of SOPS without the value that it may quote.
func concealed(err error) error {
	return errors.New("decrypt: " + plainInput.ReplaceAllString(err.Error(), "a value that should be encrypted is in plain text"))
}
