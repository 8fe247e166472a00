// Package upstream looks up whether what a repo pins can still be had where it comes from:
// a version may be withdrawn, and no rehearsal with stand-ins can tell.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/yaml"
)

// Kind says how a pin is looked up.
type Kind string

// The kinds of pins.
const (
	Chart  Kind = "chart"          // of a Helm repository: in its index
	Image  Kind = "image"          // by its manifest
	Plugin Kind = "jenkins plugin" // on Jenkins' update site
)

// Pin is a version that a repo asks for.
type Pin struct {
	Kind    Kind   `json:"kind"`
	Name    string `json:"name"`
	Version string `json:"version"`
	// From is the Helm repository's or update site's URL; empty for an image, whose name says it.
	From string `json:"from,omitempty"`
}

// String names the pin, for a person.
func (p Pin) String() string {
	switch {
	case p.Kind == Image:
		return string(p.Kind) + " " + p.Name + p.Version
	default:
		return fmt.Sprintf("%s %s %s of %s", p.Kind, p.Name, p.Version, p.From)
	}
}

// State is what was found out about a pin.
type State string

// The states.
const (
	Found     State = "found"
	Withdrawn State = "withdrawn" // the place answers, and does not have it
	Unknown   State = "unknown"   // the place gave no answer
)

// Result is a pin that was looked up.
type Result struct {
	Pin
	State State `json:"state"`
	// Why says what a place answered instead, or why it did not.
	Why string `json:"why,omitempty"`
}

// Options are how pins are looked up. The zero value uses the user's proxies and credentials.
type Options struct {
	// Transport is http.DefaultTransport if nil.
	Transport http.RoundTripper
	// Timeout of each look-up; 0 is half a minute.
	Timeout time.Duration
}

// atOnce is how many look-ups there are at the same time.
const atOnce = 8

// Check looks pins up, each once, and returns the results in the order of the pins.
func Check(ctx context.Context, pins []Pin, o Options) []Result {
	c := newChecker(o)
	for _, p := range pins {
		if p.Kind == Chart {
			c.indexes[p.From] = &index{}
		}
	}
	var group errgroup.Group
	group.SetLimit(indexesAtOnce)
	for url, i := range c.indexes { // each is read once, and first
		group.Go(func() error { i.entries, i.err = c.fetchIndex(ctx, url); return nil })
	}
	_ = group.Wait() // an error is part of the index
	group.SetLimit(atOnce)
	out := make([]Result, len(pins))
	for i, p := range pins {
		group.Go(func() error {
			out[i] = Result{Pin: p}
			out[i].State, out[i].Why = c.look(ctx, p)
			out[i].Why = signed.ReplaceAllString(out[i].Why, "?…")
			return nil
		})
	}
	_ = group.Wait() // an error is part of a result
	return out
}

func newChecker(o Options) checker {
	c := checker{Options: o, indexes: map[string]*index{}}
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	return c
}

// signed matches the query of a URL, which may be signed for whoever was redirected there.
var signed = regexp.MustCompile(`\?[^\s"]+`)

type checker struct {
	Options
	indexes map[string]*index
}

// index is that of a Helm repository: the versions by chart.
type index struct {
	entries map[string][]entry
	err     error
}

// entry is a version of a chart.
type entry struct{ Version, Digest string }

func (c checker) look(ctx context.Context, p Pin) (State, string) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	switch p.Kind {
	case Chart:
		return c.chart(p)
	case Plugin:
		return c.plugin(ctx, p)
	}
	return c.image(ctx, p)
}

// chart looks a version up in its repository's index.
func (c checker) chart(p Pin) (State, string) {
	i := c.indexes[p.From]
	if i.err != nil {
		return Unknown, i.err.Error()
	}
	var versions []string
	for _, e := range i.entries[p.Name] {
		versions = append(versions, e.Version)
	}
	same := func(v string) bool { return strings.TrimPrefix(v, "v") == strings.TrimPrefix(p.Version, "v") }
	switch {
	case slices.ContainsFunc(versions, same):
		return Found, ""
	case len(versions) == 0:
		return Withdrawn, "its repository has no chart of that name"
	}
	return Withdrawn, "the newest there is " + newest(versions)
}

// newest is the highest of some versions; the first if none can be compared.
func newest(versions []string) string {
	best, text := (*semver.Version)(nil), versions[0]
	for _, v := range versions {
		if parsed, err := semver.NewVersion(v); err == nil && (best == nil || parsed.GreaterThan(best)) {
			best, text = parsed, v
		}
	}
	return text
}

// maxIndex is the largest index that is read, in bytes: known ones have a few MB, and parsing
// takes some sixty times that.
const maxIndex = 32 << 20

// indexesAtOnce is how many indexes are read at the same time.
const indexesAtOnce = 2

func (c checker) fetchIndex(ctx context.Context, url string) (map[string][]entry, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*c.Timeout)
	defer cancel()
	body, status, err := c.get(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/index.yaml", maxIndex)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d", url, status)
	}
	var parsed struct {
		Entries map[string][]entry
	}
	if err := yaml.Unmarshal(body, &parsed); err != nil {
		return nil, fmt.Errorf("the index of %s: %w", url, err)
	}
	if parsed.Entries == nil {
		return nil, fmt.Errorf("what %s answers is no index of charts", url)
	}
	return parsed.Entries, nil
}

// plugin asks Jenkins' update site for a plugin's file.
func (c checker) plugin(ctx context.Context, p Pin) (State, string) {
	url := fmt.Sprintf("%s/download/plugins/%s/%s/%s.hpi", strings.TrimSuffix(p.From, "/"), p.Name, p.Version, p.Name)
	_, status, err := c.get(ctx, http.MethodHead, url, 0)
	switch {
	case err != nil:
		return Unknown, err.Error()
	case status == http.StatusOK:
		return Found, ""
	case status == http.StatusNotFound || status == http.StatusGone:
		return Withdrawn, fmt.Sprintf("%s answers %d", url, status)
	}
	return Unknown, fmt.Sprintf("%s answers %d", url, status)
}

// image asks an image's registry for its manifest.
func (c checker) image(ctx context.Context, p Pin) (State, string) {
	ref, err := name.ParseReference(p.Name + p.Version)
	if err != nil {
		return Withdrawn, err.Error()
	}
	_, err = remote.Head(ref, remote.WithContext(ctx), remote.WithTransport(c.Transport), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	var refused *transport.Error
	switch {
	case err == nil:
		return Found, ""
	case errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound:
		return Withdrawn, "its registry does not have it"
	case errors.As(err, &refused) && (refused.StatusCode == http.StatusUnauthorized || refused.StatusCode == http.StatusForbidden):
		return Unknown, fmt.Sprintf("its registry answers %d: it is private, and you are not logged in, or gone", refused.StatusCode)
	}
	return Unknown, err.Error()
}

// get returns up to limit bytes of what a URL answers.
func (c checker) get(ctx context.Context, method, url string, limit int64) ([]byte, int, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, 0, err
	}
	response, err := (&http.Client{Transport: c.Transport}).Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	body, err := readUpTo(response.Body, limit)
	return body, response.StatusCode, err
}

// readUpTo reads everything; more than limit bytes are an error. A limit of 0 reads nothing.
func readUpTo(r io.Reader, limit int64) ([]byte, error) {
	if limit == 0 {
		return nil, nil
	}
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("more than %d MiB", limit>>20)
	}
	return b, err
}
