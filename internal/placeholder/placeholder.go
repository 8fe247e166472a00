// Package placeholder makes stand-ins for secret values that nobody can decrypt here: plain values of a
// form that the place accepts in which they land, so that a rehearsal tells of the repo and not of its
// missing key. It is pure and deterministic, and what it makes is nobody's secret.
package placeholder

import (
	"hash/fnv"
	"strings"
)

// Mark is in every placeholder whose form allows a word.
const Mark = "seatrial-placeholder"

// Place is a scalar of a document in which a value lands.
type Place struct {
	// Key is the mapping key of the scalar; of an element of a list, that of the list.
	Key string
	// Path is the field's path in the document, as spec.ports[0].port.
	Path string
	// Text is the whole scalar as it is written, ${NAME} included. If it is empty, the value is
	// the whole scalar.
	Text string
	// Default is what the place takes if there is no value: x in ${NAME:=x}.
	Default string
	// Kind is the kind of the document, Object its Kind/namespace/name as written, and File where it is.
	Kind, Object, File string
	// Type is the type of the document if that is a Secret: kubernetes.io/tls, for example.
	Type string
	// From is Kind/name of the object that the place takes its value from, if it names one.
	From string
	// Document is true if the place takes a YAML document, as a HelmRelease's valuesFrom does.
	Document bool
	// Inner is true if the scalar is a line of a longer text: no API server looks at it.
	Inner bool
}

// Value is a placeholder for the value that a secret has under a name: the key in a Secret or a file, or
// a variable. Where it lands decides its form, then what the place's default looks like, then its names.
// The result is one line wherever it lands within other text, and not longer than 64 bytes there.
func Value(name string, places []Place) string {
	if len(places) == 0 {
		return render(formOfKey(name), name)
	}
	best := vote{}
	free, inline := true, false // no place demands text: a number will do; some place is within a document
	for _, p := range places {
		inline = inline || p.Text != ""
		v := formAt(name, p)
		if v.more(best) {
			best = v
		}
		free = free && !p.textual()
	}
	if best.form.scalar() && best.weight < exact && !free {
		best.form = String // the API server takes only text there, and would refuse a number
	}
	if inline && (best.form == String || best.form.lines()) {
		best.form = Name // lines can't be substituted, and two variables may have to differ
	}
	return render(best.form, name)
}

// Encoded is Value for a place that holds it in base64, as a Secret's data does.
func Encoded(name string, places []Place) string { return encode(Value(name, places)) }

// slug is a name as a DNS-1123 label of at most 16 characters.
func slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case b.Len() >= 16:
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String(), "-")
}

// pick is a number below n that only depends on the name, so that two names rarely share one.
func pick(name string, n uint32) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash never fails to write
	return int(h.Sum32() % n)
}
