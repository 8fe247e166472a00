// Package sources keeps what rehearsals have fetched from outside: charts, indexes, manifests,
// blobs, what Git servers answered. A rehearsal that comes later needs no network.
//
// What is kept are exchanges: a request, and its answer. They are kept as they were, whatever
// the protocol, so that all clients get from the store what they got from the server. Bodies are
// files named by their digest, and an exchange points to one. A request is known by what its answer
// depends on, and by who asked: an answer to one credential is not given to another. Neither a
// credential nor a token is ever written; a keyed hash stands for the former.
package sources

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"seatrial.dev/seatrial/internal/engine"
)

// Folder is the name of the store below the cache folder.
const Folder = "sources"

// Dir is the folder of the user's store, which need not exist.
func Dir() (string, error) {
	dir, err := engine.CacheDir()
	return filepath.Join(dir, Folder), err
}

// Store is a folder of exchanges.
type Store struct {
	dir string
	key []byte // of the hashes
	// anyone is true for a folder whose answers are for whoever asks: see OpenVendor.
	anyone bool
}

// Exchange is a request and its answer.
type Exchange struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	// Who asked is a keyed hash of the credential; "" for nobody in particular.
	Who string `json:"who,omitempty"`
	// Private says that whoever asked had a credential, also where Who does not say which.
	Private bool        `json:"private,omitempty"`
	Status  int         `json:"status"`
	Header  http.Header `json:"header,omitempty"`
	// Digest is that of the body: sha256: and hexadecimal digits; "" if there was none.
	Digest  string    `json:"digest,omitempty"`
	Size    int64     `json:"size"`
	Fetched time.Time `json:"fetched"`
}

// Request is what an answer depends on.
type Request struct {
	Method, URL string
	// Who is what Store.Who returned for the request's credential.
	Who string
	// Header are the headers that change the answer.
	Header http.Header
	// Body is the request's body; nil for none.
	Body []byte
}

// Nobody is who asks with a token that was given to nobody in particular: a registry answers them, and asks
// who has none for one.
const Nobody = "nobody"

// varying are the headers that change an answer.
var varying = []string{"Accept", "Accept-Encoding", "Git-Protocol", "Range"}

// Open opens the folder of a store, and makes it if it is not there. Only its owner can read it.
func Open(dir string) (*Store, error) {
	for _, d := range []string{"exchanges", "blobs"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, fmt.Errorf("open the cache of sources: %w", err)
		}
	}
	if err := sweep(dir); err != nil {
		return nil, fmt.Errorf("open the cache of sources: %w", err)
	}
	file := filepath.Join(dir, "key")
	key, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = makeKey(dir, file)
	}
	if err != nil {
		return nil, fmt.Errorf("open the cache of sources: %w", err)
	}
	return &Store{dir: dir, key: key}, nil
}

// sweep removes what runs that were killed have left half-written.
func sweep(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, "new-*"))
	for _, file := range left {
		if info, err := os.Stat(file); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.Remove(file) // where it can't be, nothing can be written either, which Keep says
		}
	}
	return err
}

// makeKey makes the key of a store. Of two processes that do so at once, one does.
func makeKey(dir, file string) ([]byte, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "new-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(key); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	if err := os.Link(f.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(file)
}

// None is a store that keeps nothing, for a cache folder that can't be written to.
func None() (*Store, error) {
	key := make([]byte, 32)
	_, err := rand.Read(key)
	return &Store{key: key}, err
}

// OpenVendor opens a folder that somebody has filled on purpose (seatrial sources pull
// --vendor-dir): it answers whoever asks, with or without a credential.
func OpenVendor(dir string) (*Store, error) {
	if _, err := os.Stat(filepath.Join(dir, "key")); err != nil {
		return nil, fmt.Errorf("%s is no folder that seatrial sources pull --vendor-dir has filled: %w", dir, err)
	}
	s, err := Open(dir)
	if err == nil {
		s.anyone = true
	}
	return s, err
}

// MakeVendor opens a vendor folder to fill it, and makes it if it is not there.
func MakeVendor(dir string) (*Store, error) {
	s, err := Open(dir)
	if err == nil {
		s.anyone = true
	}
	return s, err
}

// Who returns what stands for a credential in the store; "" for none.
func (s *Store) Who(credential string) string {
	if credential == "" {
		return ""
	}
	return hex.EncodeToString(s.sum("who", credential)[:12])
}

func (s *Store) sum(parts ...string) []byte {
	h := hmac.New(sha256.New, s.key)
	for _, p := range parts {
		fmt.Fprintf(h, "%d %s\n", len(p), p)
	}
	return h.Sum(nil)
}

// file is where the exchange of a request is kept.
func (s *Store) file(r Request) string {
	who := r.Who
	if s.anyone {
		who = ""
	}
	parts := []string{r.Method, r.URL, who, string(r.Body)}
	for _, name := range varying {
		parts = append(parts, strings.Join(r.Header.Values(name), ","))
	}
	return filepath.Join(s.dir, "exchanges", hex.EncodeToString(s.sum(parts...))+".json")
}

// blob is where a body is kept.
func (s *Store) blob(digest string) string {
	return filepath.Join(s.dir, "blobs", strings.TrimPrefix(digest, "sha256:"))
}

// Find returns the exchange of a request and its body, which the caller closes and which may be
// nil; nil if there is none.
func (s *Store) Find(r Request) (*Exchange, io.ReadCloser, error) {
	if s.dir == "" {
		return nil, nil, nil
	}
	file := s.file(r)
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var e Exchange
	if err := json.Unmarshal(b, &e); err != nil || !e.sound() {
		return nil, nil, os.Remove(file) // cut off by a full disk: as if it had never been
	}
	now := time.Now()
	_ = os.Chtimes(file, now, now) // for Prune; a folder that can't be written to is not pruned
	if e.Digest == "" {
		return &e, nil, nil
	}
	body, err := s.open(&e)
	if body == nil && err == nil {
		err = os.Remove(file) // it is fetched again
	}
	if body == nil || err != nil {
		return nil, nil, err
	}
	return &e, body, nil
}

// open opens the body of an exchange; nil if it is not there. One that is not what its name says is removed.
func (s *Store) open(e *Exchange) (*os.File, error) {
	f, err := os.Open(s.blob(e.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err == nil && (n != e.Size || "sha256:"+hex.EncodeToString(sum.Sum(nil)) != e.Digest) {
		return nil, errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// sound says whether an exchange can have been written by Keep.
func (e *Exchange) sound() bool {
	digits := strings.TrimPrefix(e.Digest, "sha256:")
	_, err := hex.DecodeString(digits)
	return e.Status != 0 && (e.Digest == "" || err == nil && len(digits) == sha256.Size*2)
}
