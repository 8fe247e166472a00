package outside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/egress"
)

// Credentials are the user's own: Docker's configuration, Helm's repositories, and netrc. They are
// looked up where the server of a source refuses a request that comes without any.
type Credentials struct {
	registries authn.Keychain
	logins     []login
}

// login is a user name and password for addresses that begin with a prefix.
type login struct{ prefix, user, password string }

// FindCredentials reads what the user has configured. Files that are not there have none.
func FindCredentials() (*Credentials, error) {
	c := &Credentials{registries: authn.DefaultKeychain}
	if err := c.helmRepositories(); err != nil {
		return nil, err
	}
	return c, c.netrc()
}

// helmRepositories reads what helm repo add has written.
func (c *Credentials) helmRepositories() error {
	file := os.Getenv("HELM_REPOSITORY_CONFIG")
	if file == "" {
		dir := os.Getenv("HELM_CONFIG_HOME")
		if dir == "" {
			base, err := os.UserConfigDir()
			if err != nil {
				return nil // no home: nothing is configured
			}
			dir = filepath.Join(base, "helm")
		}
		file = filepath.Join(dir, "repositories.yaml")
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var config struct {
		Repositories []struct {
			URL, Username, Password string
		}
	}
	if err == nil {
		err = yaml.Unmarshal(b, &config)
	}
	if err != nil {
		return fmt.Errorf("read Helm's repositories: %w", err)
	}
	for _, r := range config.Repositories {
		if r.Username != "" && r.URL != "" {
			c.logins = append(c.logins, login{strings.TrimRight(r.URL, "/") + "/", r.Username, r.Password})
		}
	}
	return nil
}

// netrc reads the file that Git and curl read.
func (c *Credentials) netrc() error {
	file := os.Getenv("NETRC")
	if file == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil
		}
		file = filepath.Join(home, ".netrc")
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read netrc: %w", err)
	}
	var l login
	add := func() {
		if l.prefix != "" && l.user != "" {
			c.logins = append(c.logins, l)
		}
		l = login{}
	}
	for words := strings.Fields(string(b)); len(words) > 0; words = words[1:] {
		if words[0] == "default" || words[0] == "macdef" {
			break // for any host: not given to hosts that a repo names
		}
		if len(words) == 1 {
			break
		}
		switch words[0] {
		case "machine":
			add()
			l.prefix = "https://" + words[1] + "/"
		case "login":
			l.user = words[1]
		case "password":
			l.password = words[1]
		default:
			continue
		}
		words = words[1:]
	}
	add()
	return nil
}

// loginFor returns the login for an address, the one for the longest part of it.
func (c *Credentials) loginFor(u *url.URL) (login, bool) {
	var best login
	for _, l := range c.logins {
		if strings.HasPrefix(u.Scheme+"://"+u.Host+u.Path+"/", l.prefix) && len(l.prefix) > len(best.prefix) {
			best = l
		}
	}
	return best, best.prefix != ""
}

// registry returns the user's credential for a registry; nil if there is none.
func (c *Credentials) registry(host string) (name.Registry, authn.Authenticator, error) {
	r, err := name.NewRegistry(host)
	if err != nil {
		return r, nil, err
	}
	known := r
	if host == "registry-1.docker.io" {
		known = dockerHub // as docker login calls it
	}
	a, err := c.registries.Resolve(known)
	if err != nil || a == authn.Anonymous {
		return r, nil, err
	}
	return r, a, nil
}

var dockerHub, _ = name.NewRegistry("index.docker.io")

// asYou asks with the user's own credentials: because the source has refused the request without any, or, if
// refused is nil, because it is known to. It returns nil if the user has none.
func (s *Server) asYou(ctx context.Context, q *query, wait time.Duration, refused *reply) (*reply, error) {
	if s.Credentials == nil || q.url.Scheme != "https" || q.Method == http.MethodPost && !strings.HasSuffix(q.url.Path, "/git-upload-pack") {
		return nil, nil // not in the clear, and for reading only
	}
	if q.token {
		// The token server refuses a request for nobody in particular. What comes with the token that
		// is handed out here, is asked as the user.
		for _, host := range q.registries {
			if _, a, err := s.Credentials.registry(host); a != nil || err != nil {
				return s.grantYours(q), err
			}
		}
		return nil, nil
	}
	header := q.header.Clone()
	header.Del("Authorization")
	if strings.HasPrefix(q.url.Path, "/v2/") {
		r, a, err := s.Credentials.registry(q.url.Host)
		if err != nil {
			return nil, fmt.Errorf("find your credentials for %s: %w", q.url.Host, err)
		}
		if a == nil {
			return nil, nil
		}
		if refused != nil && q.url.Path == "/v2/" {
			return nil, nil // the challenge itself: who asks goes for a token first
		}
		return s.asYouAt(ctx, q, r, a, wait)
	}
	l, found := s.Credentials.loginFor(q.url)
	if !found {
		return nil, nil
	}
	request, err := http.NewRequest(q.Method, q.url.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	request.SetBasicAuth(l.user, l.password)
	header.Set("Authorization", request.Header.Get("Authorization"))
	r, err := s.send(ctx, q, header, wait)
	if err != nil {
		return nil, err
	}
	return s.keep(q, &reply{status: r.StatusCode, header: r.Header, body: r.Body, origin: egress.Upstream, yours: true}), nil
}

// asYouAt asks a registry: the library goes for the token.
func (s *Server) asYouAt(ctx context.Context, q *query, r name.Registry, a authn.Authenticator, wait time.Duration) (*reply, error) {
	scope := ""
	if repository, found := repositoryOf(q.url.Path); found {
		scope = "repository:" + repository + ":pull"
	}
	t, err := transport.NewWithContext(ctx, r, a, permitted{s, q.named, wait}, []string{scope})
	if err != nil {
		return nil, fmt.Errorf("with your credentials: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, q.Method, q.url.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header = q.header.Clone()
	request.Header.Del("Authorization")
	answer, err := t.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("with your credentials: %w", err)
	}
	return s.keep(q, &reply{status: answer.StatusCode, header: answer.Header, body: answer.Body, origin: egress.Upstream, yours: true}), nil
}

// repositoryOf is the repository in a registry's path.
func repositoryOf(path string) (string, bool) {
	for _, part := range []string{"/manifests/", "/blobs/", "/tags/list", "/referrers/"} {
		if before, _, found := strings.Cut(path, part); found {
			return strings.TrimPrefix(before, "/v2/"), true
		}
	}
	return "", false
}

// permitted has a library's requests pass the same rules.
type permitted struct {
	server *Server
	named  bool
	wait   time.Duration
}

// RoundTrip implements http.RoundTripper.
func (p permitted) RoundTrip(r *http.Request) (*http.Response, error) {
	q := &query{url: r.URL, named: p.named}
	q.named = q.named && p.server.isNamed(hostOf(r.URL))
	q.Method = r.Method
	if r.Body != nil {
		b, err := io.ReadAll(io.LimitReader(r.Body, maxAsked))
		if err := errors.Join(err, r.Body.Close()); err != nil {
			return nil, err
		}
		q.Body = b
	}
	return p.server.send(r.Context(), q, r.Header, p.wait)
}
