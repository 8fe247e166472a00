package egress

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"seatrial.dev/seatrial/internal/standin"
)

// Own has the door answer for a URL of the repo itself with h, which sees paths below that
// URL: what Git and registries' clients ask for, not what else a server may have there, such as releases. It
// returns false if the URL does not lead through the door.
func (d *Door) Own(source string, h http.Handler) bool {
	at, ok := locate(source)
	if !ok {
		return false
	}
	at.git = !at.oci
	d.set(func() { d.own = append(d.own, place{at: at, handler: stripped(at, h)}) })
	return true
}

// stripped has a handler see the path below a location.
func stripped(at location, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, _ := at.below(r.URL)
		next := r.Clone(r.Context())
		next.URL.Path, next.URL.RawPath = rest, ""
		h.ServeHTTP(w, next)
	})
}

// StoodIn says whether a stand-in answered for a source.
func (d *Door) StoodIn(source string) bool {
	return d.answeredBy(source, func(o Origin) bool { return o == StoodIn })
}

// Real says whether a source itself has answered, now or earlier.
func (d *Door) Real(source string) bool { return d.answeredBy(source, Origin.Real) }

// Why says why a URL, or what is below it, was refused; "" if it was not.
func (d *Door) Why(source string) string {
	at, ok := locate(source)
	all, _ := d.All()
	for _, a := range all {
		u, err := url.Parse(a.URL)
		if err != nil || !ok || a.Origin != Refused {
			continue
		}
		if _, below := at.below(u); below {
			return a.Why
		}
	}
	return ""
}

// Answers says whether the registry of an image answers for it itself, now or from the cache.
func (d *Door) Answers(ctx context.Context, image string) bool {
	ref, err := name.ParseReference(image)
	if err != nil {
		return false
	}
	address := fmt.Sprintf("https://%s/v2/%s/manifests/%s", ref.Context().RegistryStr(), ref.Context().RepositoryStr(), ref.Identifier())
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, address, http.NoBody)
	if err != nil {
		return false
	}
	return d.outside(&recorder{header: http.Header{}}, request, Answer{}).Origin.Real()
}

// Manifest is the digest of the manifest that a registry itself gave for a tag, now or earlier; "" if it gave none.
func (d *Door) Manifest(tag name.Tag) string {
	at := location{host: canonical(tag.RegistryStr()), path: tag.RepositoryStr(), oci: true}
	all, _ := d.All()
	for _, a := range all {
		u, err := url.Parse(a.URL)
		if err != nil || !a.Origin.Real() || a.Status != http.StatusOK {
			continue
		}
		if rest, below := at.below(u); below && rest == "/manifests/"+tag.TagStr() && a.Digest != "" {
			return a.Digest
		}
	}
	return ""
}

func (d *Door) answeredBy(source string, origin func(Origin) bool) bool {
	at, ok := locate(source)
	if !ok {
		at, ok = locate("oci://" + untagged(source))
	}
	if !ok {
		return false
	}
	all, _ := d.All()
	return slices.ContainsFunc(all, func(a Answer) bool {
		u, err := url.Parse(a.URL)
		if err != nil || !origin(a.Origin) || a.Status != http.StatusOK && a.Origin != Tunnel {
			return false
		}
		rest, below := at.below(u)
		return below && rest != "" || a.Origin == Tunnel && hostOf(u) == at.host
	})
}

// untagged is an image without its tag and digest.
func untagged(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndex(image, ":"); i > strings.LastIndex(image, "/") {
		image = image[:i]
	}
	return image
}

// Shelf puts stand-ins behind the door, at the addresses of what they stand for.
type Shelf struct {
	door     *Door
	registry http.Handler
}

// Shelf returns the door's shelf.
func (d *Door) Shelf() *Shelf {
	return &Shelf{d, registry.New(registry.Logger(quiet))}
}

var _ standin.Shelf = (*Shelf)(nil)

// Charts implements standin.Shelf.
func (s *Shelf) Charts(_ context.Context, upstream string, charts []standin.Chart) (string, error) {
	at, ok := locate(upstream)
	if !ok {
		return "", fmt.Errorf("%s is no address of a Helm repository", upstream)
	}
	files, err := standin.Repository(charts)
	if err != nil {
		return "", err
	}
	h := stripped(at, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, found := files[strings.TrimPrefix(r.URL.Path, "/")]
		if !found {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(b) // fails only if the client is gone
	}))
	s.put(place{at: at, handler: h})
	return upstream, nil
}

// Place implements standin.Shelf: images are at their own place.
func (s *Shelf) Place(repository string) string { return repository }

// Push implements standin.Shelf.
func (s *Shelf) Push(ctx context.Context, image string, img v1.Image) error {
	ref, err := name.ParseReference(image, name.Insecure)
	if err != nil {
		return err
	}
	if err := remote.Write(ref, img, remote.WithContext(ctx), remote.WithTransport(handled{s.registry})); err != nil {
		return err
	}
	at := location{host: canonical(ref.Context().RegistryStr()), path: ref.Context().RepositoryStr(), oci: true}
	s.put(place{at: at, handler: s.registry})
	return nil
}

// put has the door serve a place, instead of what was there before.
func (s *Shelf) put(p place) {
	s.door.set(func() {
		i := slices.IndexFunc(s.door.stoodIn, func(other place) bool { return other.at == p.at })
		if i < 0 {
			s.door.stoodIn = append(s.door.stoodIn, p)
			return
		}
		p.used = s.door.stoodIn[i].used
		s.door.stoodIn[i] = p
	})
}

// handled has requests answered by a handler of this process.
type handled struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	next := r.Clone(r.Context())
	if next.Body == nil {
		next.Body = http.NoBody
	}
	next.RequestURI = next.URL.RequestURI()
	h.ServeHTTP(w, next)
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header, Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: int64(w.body.Len()), Body: io.NopCloser(&w.body),
	}, nil
}

// recorder is an answer in memory.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(status int)      { w.status = status }
func (w *recorder) Write(p []byte) (int, error) { return w.body.Write(p) }
