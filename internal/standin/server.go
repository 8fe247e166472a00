package standin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"sigs.k8s.io/yaml"
)

// Server is a Shelf that this process serves over HTTP.
type Server struct {
	mux  *http.ServeMux
	base string
}

// NewServer makes an empty shelf. It can be filled once it is served and At was called.
func NewServer() *Server {
	s := &Server{mux: http.NewServeMux()}
	s.mux.Handle("/v2/", registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// At tells the server under which URL it is served.
func (s *Server) At(base string) { s.base = strings.TrimSuffix(base, "/") }

// Charts implements Shelf.
func (s *Server) Charts(_ context.Context, repository string, charts []Chart) (string, error) {
	dir := "/charts/" + repository + "/"
	entries := map[string][]map[string]any{}
	for _, c := range charts {
		digest := sha256.Sum256(c.Archive)
		file := fmt.Sprintf("%s-%s.tgz", c.Name, c.Version)
		s.mux.HandleFunc("GET "+dir+file, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(c.Archive) })
		entries[c.Name] = append(entries[c.Name], map[string]any{
			"apiVersion": "v2", "name": c.Name, "version": c.Version, "appVersion": "stand-in",
			"urls": []string{file}, "digest": hex.EncodeToString(digest[:]), "created": "2026-01-01T00:00:00Z",
		})
	}
	index, err := yaml.Marshal(map[string]any{"apiVersion": "v1", "generated": "2026-01-01T00:00:00Z", "entries": entries})
	if err != nil {
		return "", err
	}
	s.mux.HandleFunc("GET "+dir+"index.yaml", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(index) })
	return s.base + dir, nil
}

// Registry implements Shelf.
func (s *Server) Registry() string {
	_, host, _ := strings.Cut(s.base, "://")
	return host
}

// Push implements Shelf.
func (s *Server) Push(ctx context.Context, image string, img v1.Image) error {
	ref, err := name.ParseReference(image, name.Insecure)
	if err != nil {
		return err
	}
	return remote.Write(ref, img, remote.WithContext(ctx))
}
