package ondemand

import (
	"net/url"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/gitops"
)

// kind is what a request asks for.
type kind int

const (
	other    kind = iota
	ping          // whether there is a registry
	manifest      // an image, by tag or digest
	tags          // which tags there are
	index         // what a Helm repository has
)

// request is what a client asks a registry or a Helm repository for.
type request struct {
	kind             kind
	host, repository string // of a registry
	tag              string
}

// parse reads a request's URL.
func parse(u *url.URL) request {
	r := request{host: egress.HostOf(u)}
	rest, registry := strings.CutPrefix(u.Path, "/v2/")
	switch {
	case u.Path == "/v2" || registry && rest == "":
		r.kind = ping
	case registry && strings.HasSuffix(rest, "/tags/list"):
		r.kind, r.repository = tags, strings.TrimSuffix(rest, "/tags/list")
	case registry && strings.Contains(rest, "/manifests/"):
		i := strings.LastIndex(rest, "/manifests/")
		r.kind, r.repository, r.tag = manifest, rest[:i], rest[i+len("/manifests/"):]
	case strings.HasSuffix(u.Path, "/index.yaml"):
		r.kind = index
	}
	return r
}

// image is the image's name with its tag.
func (r request) image() string { return r.host + "/" + r.repository + ":" + r.tag }

// at says whether a source's URL is the repository that is asked for.
func (r request) at(source string) bool {
	host, repository, ok := want{kind: gitops.OCIRepositoryKind.Kind, url: source}.repository()
	return ok && host == r.host && (r.kind == ping || repository == r.repository)
}

// among are the wants that the request is for.
func (r request) among(wants []want, u *url.URL) []want {
	return slices.DeleteFunc(slices.Clone(wants), func(w want) bool {
		if r.kind == index {
			return !w.indexAt(u)
		}
		host, repository, ok := w.repository()
		return !ok || host != r.host || r.kind != ping && repository != r.repository
	})
}

// complete says whether wants that the repo's files tell of are all that the request needs: whoever asks for a
// tag that none of them names may do so for a live object.
func (r request) complete(found []want) bool {
	if r.kind == ping {
		return len(found) > 0
	}
	return slices.ContainsFunc(found, func(w want) bool { return w.version == r.tag || strings.ReplaceAll(w.version, "+", "_") == r.tag })
}
