package internet

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Files are files by their names.
type Files map[string]string

// tarOf is an archive of files, the same each time.
func tarOf(files Files) []byte {
	var out bytes.Buffer
	t := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), ModTime: time.Unix(1, 0), Typeflag: tar.TypeReg}
		if err := t.WriteHeader(h); err != nil {
			panic(err) // in memory
		}
		_, _ = t.Write([]byte(files[name]))
	}
	_ = t.Close()
	return out.Bytes()
}

// Chart is an archive of a chart with templates.
func Chart(name, version string, templates Files) []byte {
	files := Files{name + "/Chart.yaml": fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n", name, version), name + "/values.yaml": "text: hello\n"}
	for file, text := range templates {
		files[path.Join(name, file)] = text
	}
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	_, _ = gz.Write(tarOf(files))
	_ = gz.Close()
	return out.Bytes()
}

// Helm is a Helm repository of archives, by NAME-VERSION.tgz; elsewhere is the host from which the
// charts are fetched, "" for the repository's own. A user name asks for a password.
func Helm(charts map[string][]byte, elsewhere, user, password string) http.Handler {
	index := "apiVersion: v1\nentries:\n"
	for _, file := range slices.Sorted(maps.Keys(charts)) {
		base := strings.TrimSuffix(file, ".tgz")
		i := strings.LastIndex(base, "-")
		sum := sha256.Sum256(charts[file])
		url := file
		if elsewhere != "" {
			url = "https://" + elsewhere + "/" + file
		}
		index += fmt.Sprintf("  %s:\n  - {apiVersion: v2, name: %s, version: %s, digest: %s, urls: [%q]}\n", base[:i], base[:i], base[i+1:], hex.EncodeToString(sum[:]), url)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); user != "" && (u != user || p != password) {
			w.Header().Set("Www-Authenticate", `Basic realm="charts"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		file := path.Base(r.URL.Path)
		if file == "index.yaml" {
			w.Header().Set("Etag", `"1"`)
			_, _ = io.WriteString(w, index)
		} else if b := charts[file]; b != nil {
			_, _ = w.Write(b)
		} else {
			http.NotFound(w, r)
		}
	})
}

// Registry is an OCI registry that asks for tokens.
type Registry struct {
	Host, Auth     string // the registry, and its token server
	User, Password string // for repositories below private
	Private        string
	images         http.Handler
	tokens         map[string]bool // whether one is the user's
}

// NewRegistry puts a registry and its token server into the world.
func (i *Internet) NewRegistry(r *Registry) {
	r.images, r.tokens = registry.New(registry.Logger(log.New(io.Discard, "", 0))), map[string]bool{"anonymous": false, "user": true}
	i.Handle(r.Host, http.HandlerFunc(r.serve))
	i.Handle(r.Auth, http.HandlerFunc(r.token))
}

func (r *Registry) serve(w http.ResponseWriter, q *http.Request) {
	token, bears := strings.CutPrefix(q.Header.Get("Authorization"), "Bearer ")
	yours, known := r.tokens[token]
	private := r.Private != "" && strings.HasPrefix(q.URL.Path, "/v2/"+r.Private+"/")
	if !bears || !known || private && !yours {
		w.Header().Set("Www-Authenticate", fmt.Sprintf(`Bearer realm="https://%s/token",service=%q`, r.Auth, r.Host))
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	r.images.ServeHTTP(w, q)
}

func (r *Registry) token(w http.ResponseWriter, q *http.Request) {
	token := "anonymous"
	user, password, given := q.BasicAuth()
	if q.Method == http.MethodPost {
		user, password = q.PostFormValue("username"), q.PostFormValue("password")
		given = user != ""
	}
	if given {
		if user != r.User || password != r.Password {
			http.Error(w, "wrong password", http.StatusUnauthorized)
			return
		}
		token = "user"
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "access_token": token, "expires_in": 300})
}

// Images is the registry past its door, which asks for nothing.
func (r *Registry) Images() http.Handler { return r.images }

// push puts an image into the registry, past its door.
func (r *Registry) push(repository, tag string, img v1.Image) error {
	server := httptest.NewServer(r.images)
	defer server.Close()
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://")+"/"+repository+":"+tag, name.Insecure)
	if err != nil {
		return err
	}
	return remote.Write(ref, img, remote.WithContext(context.Background()))
}

// PushChart puts a chart into the registry, as helm push does.
func (r *Registry) PushChart(repository, tag string, archive []byte) error {
	layer := static.NewLayer(archive, "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
	img, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layer)
	if err != nil {
		return err
	}
	return r.push(repository, tag, mutate.ConfigMediaType(img, "application/vnd.cncf.helm.config.v1+json"))
}

// PushBundle puts an imgpkg bundle into the registry.
func (r *Registry) PushBundle(repository, tag string, files Files) error {
	all := maps.Clone(files)
	all[".imgpkg/images.yml"] = "apiVersion: imgpkg.carvel.dev/v1alpha1\nkind: ImagesLock\nimages: []\n"
	raw := tarOf(all)
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil })
	if err != nil {
		return err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return err
	}
	if img, err = mutate.Config(img, v1.Config{Labels: map[string]string{"dev.carvel.imgpkg.bundle": "true"}}); err != nil {
		return err
	}
	return r.push(repository, tag, img)
}
