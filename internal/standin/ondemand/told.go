package ondemand

import (
	"maps"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/standin"
)

// Served are the sources that stand-ins were made for, sorted by kind and address.
func (m *Maker) Served() []standin.Served {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []standin.Served
	for _, at := range slices.Sorted(maps.Keys(m.served)) {
		out = append(out, *m.served[at])
	}
	return out
}

// Pin is an OCIRepository's way to ask for a chart that no stand-in can meet: by its digest, or with a signature.
type Pin struct {
	// URL is the source's, Digest that of the manifest ("" if it is not asked for by one), and Tag what stands
	// in for it.
	URL, Digest, Tag string
	// Verified is true if the signature is to be verified.
	Verified bool
}

// Image is what the source asks its registry for.
func (p Pin) Image() string {
	image := strings.TrimPrefix(p.URL, "oci://")
	if p.Digest != "" {
		return image + "@" + p.Digest
	}
	return image + ":" + p.Tag
}

// Pins are those of the repo's files.
func (m *Maker) Pins() []Pin {
	var out []Pin
	wants, _ := asked(m.model)
	for _, w := range wants {
		if w.kind == gitops.OCIRepositoryKind.Kind && (w.digest != "" || w.verified) {
			tag := w.version
			if !w.tagged {
				tag = m.version(w, "")
			}
			out = append(out, Pin{URL: w.url, Digest: w.digest, Tag: standin.Tag(tag), Verified: w.verified})
		}
	}
	return out
}

// Guesses are the charts that were made of a name alone, and those that were made of a description without regard for
// their version; both as "name version", sorted.
func (m *Maker) Guesses() (generic, described []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.generic)), slices.Sorted(maps.Keys(m.known))
}

// Kinds is what the charts were taken to bring without being known to.
func (m *Maker) Kinds() (kinds, charts []string) { return m.guessed.Guessed, m.guessed.By }
