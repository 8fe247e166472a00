package outside

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/sources"
)

// Kept returns an error if something that was fetched could not be kept.
func (s *Server) Kept() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.warned
}

// keep has an answer kept as it is read.
func (s *Server) keep(q *query, a *reply) *reply {
	switch {
	case a.status != http.StatusOK && a.status != http.StatusNotFound && a.status != http.StatusUnauthorized,
		q.Method == http.MethodPost && !strings.HasSuffix(q.url.Path, "/git-upload-pack"):
		return a
	}
	header := a.header.Clone()
	header.Del(egress.HeaderYours)
	if a.yours {
		header.Set(egress.HeaderYours, "yes")
	}
	w, err := s.Store.Keep(q.Request, a.status, header)
	if err != nil {
		s.notKept(err)
		return a
	}
	a.body = &keeping{ReadCloser: a.body, to: w, failed: s.notKept}
	return a
}

func (s *Server) notKept(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.warned == nil {
		s.warned = fmt.Errorf("what was fetched is not in the cache for the next time: %w", err)
	}
}

// keeping is a body that is kept as it is read, if it is read to its end.
type keeping struct {
	io.ReadCloser
	to     *sources.Writer
	failed func(error)
}

func (k *keeping) Read(p []byte) (int, error) {
	n, err := k.ReadCloser.Read(p)
	if k.to == nil {
		return n, err
	}
	_, _ = k.to.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if err := k.to.Commit(); err != nil {
			k.failed(err)
		}
		k.to = nil
	}
	return n, err
}

func (k *keeping) Close() error {
	if k.to != nil {
		k.to.Discard()
		k.to = nil
	}
	return k.ReadCloser.Close()
}

func bodyOf(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }
