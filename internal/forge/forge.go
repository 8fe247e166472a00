// Package forge speaks with the providers of Git repositories: it opens pull and merge requests and
// sets the status of commits, by each provider's own client library.
package forge

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"seatrial.dev/seatrial/internal/hint"
)

// StatusName is the name of the commit status that branch protection can require.
const StatusName = "seatrial/verify"

// MaxBody is the largest body of a request, in bytes: GitHub refuses 65536 characters.
const MaxBody = 60 << 10

// Mark is in what Seatrial writes, so that it is found and edited and not written again.
const Mark = "<!-- seatrial -->"

// Request is a pull or merge request.
type Request struct {
	// From and Into are branches of the same repository.
	From, Into string
	Title      string
	// Body is Markdown, of at most MaxBody bytes.
	Body string
}

// Forge is a repository at a provider.
type Forge interface {
	// Request opens a request and returns its address. One that is open already is renewed: its
	// body if it is ours, else one comment of ours, which is edited the next time.
	Request(ctx context.Context, r Request) (string, error)
	// Status sets the commit status StatusName. url leads to more; may be empty.
	Status(ctx context.Context, commit string, passed bool, description, url string) error
}

// Options say which repository.
type Options struct {
	// Provider is github, gitlab or gitea.
	Provider string
	// Server is the provider's address; empty is the provider's own.
	Server            string
	Owner, Repository string
	Token             string
}

// New returns a client of a repository.
func New(o Options) (Forge, error) {
	client := &http.Client{Timeout: time.Minute}
	if o.Server != "" && !strings.Contains(o.Server, "://") {
		o.Server = "https://" + o.Server
	}
	if u, err := url.Parse(o.Server); err != nil || u.Scheme == "http" && u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost" {
		return nil, hint.New("the provider is reached over http, where a token could be read by others", "write its https address as server")
	}
	switch o.Provider {
	case "github":
		return newGitHub(o, client)
	case "gitlab":
		return newGitLab(o, client)
	case "gitea":
		return newGitea(o, client)
	}
	return nil, fmt.Errorf("no client for provider %q", o.Provider)
}

// marked is a body with the mark, cut to what a provider takes.
func marked(body string) string {
	const cut = "\n\n… cut off: see the report\n"
	if limit := MaxBody - len(Mark) - 1; len(body) > limit {
		body = strings.ToValidUTF8(body[:limit-len(cut)], "") + cut
	}
	return Mark + "\n" + body
}

// ours says whether a text was written by Seatrial.
func ours(text string) bool { return strings.Contains(text, Mark) }

// failedTo explains an error of a provider, which never holds the token.
func failedTo(what string, err error) error { return fmt.Errorf("%s: %w", what, err) }

// failed is failedTo, or nil without an error.
func failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return failedTo(what, err)
}
