package sources

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// kept are the headers of an answer that a client may need.
var kept = []string{
	"Content-Encoding", "Content-Type", "Docker-Content-Digest", "Docker-Distribution-Api-Version", "Etag", "Last-Modified", "Link",
	"Oci-Filters-Applied", "Oci-Subject", "Seatrial-Yours", "Www-Authenticate", "X-Amz-Bucket-Region",
}

// Writer keeps an answer as it passes by.
type Writer struct {
	store    *Store
	request  Request
	exchange Exchange
	file     *os.File
	sum      hash.Hash
	failed   error
}

// Keep begins to keep the answer to a request. The caller writes its body, and then calls
// Commit, or Discard.
func (s *Store) Keep(r Request, status int, header http.Header) (*Writer, error) {
	if s.dir == "" {
		return nil, errors.New("the cache folder can't be written to")
	}
	f, err := os.CreateTemp(s.dir, "new-")
	if err != nil {
		return nil, err
	}
	e := Exchange{Method: r.Method, URL: unsigned(r.URL), Who: r.Who, Private: r.Who != "" && r.Who != Nobody, Status: status, Header: http.Header{}}
	if s.anyone {
		e.Who = ""
	}
	for _, name := range kept {
		if v := header.Values(name); len(v) > 0 {
			e.Header[name] = v
		}
	}
	if r.Method == http.MethodHead {
		// What the body would have been like is all that such a request asks for.
		if v := header.Get("Content-Length"); v != "" {
			e.Header.Set("Content-Length", v)
		}
	}
	return &Writer{store: s, request: r, exchange: e, file: f, sum: sha256.New()}, nil
}

// Write implements io.Writer. It never fails: an answer that can't be kept passes all the same, and
// Commit tells.
func (w *Writer) Write(p []byte) (int, error) {
	if w.failed == nil && w.exchange.Size+int64(len(p)) > maxKept {
		w.failed = fmt.Errorf("it is larger than %d GiB", maxKept>>30)
		_ = w.file.Truncate(0)
	}
	if w.failed == nil {
		_, w.failed = io.MultiWriter(w.file, w.sum).Write(p)
		w.exchange.Size += int64(len(p))
	}
	return len(p), nil
}

// maxKept is the largest body that is kept, in bytes.
const maxKept = 1 << 30

// unsigned is a URL without its query, which may be a signature, but for what says which part is meant.
func unsigned(address string) string {
	base, query, _ := strings.Cut(address, "?")
	if strings.HasPrefix(query, "service=git-") && !strings.Contains(query, "&") {
		return address
	}
	return base
}

// Discard forgets the answer.
func (w *Writer) Discard() {
	_ = w.file.Close()
	_ = os.Remove(w.file.Name())
}

// Commit keeps the answer, whose body is complete. Where answers are for whoever asks, one that was
// given to somebody is not replaced by a refusal to somebody else.
func (w *Writer) Commit() error {
	defer os.Remove(w.file.Name())
	if w.store.anyone && w.exchange.Status != http.StatusOK {
		old, body, err := w.store.Find(w.request)
		if body != nil {
			_ = body.Close()
		}
		if err != nil || old != nil && old.Status == http.StatusOK {
			return errors.Join(err, w.file.Close())
		}
	}
	if err := errors.Join(w.failed, w.file.Close()); err != nil {
		return err
	}
	if w.exchange.Size > 0 {
		w.exchange.Digest = "sha256:" + hex.EncodeToString(w.sum.Sum(nil))
		if err := os.Rename(w.file.Name(), w.store.blob(w.exchange.Digest)); err != nil {
			return err
		}
	}
	w.exchange.Fetched = time.Now().UTC().Truncate(time.Second)
	b, err := json.Marshal(w.exchange)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(w.store.dir, "new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), w.store.file(w.request))
}
