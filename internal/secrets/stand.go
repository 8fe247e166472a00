package secrets

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/getsops/sops/v3"

	"seatrial.dev/seatrial/internal/placeholder"
)

// document is what the form of a document's values depends on.
type document struct {
	file, binary          string
	kind, secretType      string
	namespace, name       string
	manifest, holdsValues bool
}

func aboutDocument(b sops.TreeBranch, file, binary string) document {
	plain := func(v any) string {
		if s, ok := v.(string); ok && !isEncrypted(s) {
			return s
		}
		return ""
	}
	d := document{file: file, binary: binary}
	for _, item := range b {
		switch item.Key {
		case "kind":
			d.kind = plain(item.Value)
		case "apiVersion":
			d.manifest = true
		case "type":
			d.secretType = plain(item.Value)
		case "data", "stringData":
			d.holdsValues = true
		case "metadata":
			metadata, _ := item.Value.(sops.TreeBranch)
			for _, inner := range metadata {
				switch inner.Key {
				case "name":
					d.name = plain(inner.Value)
				case "namespace":
					d.namespace = plain(inner.Value)
				}
			}
		}
	}
	if d.kind == "" && d.manifest && d.holdsValues {
		d.kind = "Secret" // even its kind is encrypted
	}
	return d
}

// secret is namespace/name of the Secret that the document is, or "".
func (d document) secret() string {
	if d.kind != "Secret" || d.name == "" {
		return ""
	}
	return strings.TrimPrefix(d.namespace+"/"+d.name, "/")
}

// stand is a cipher that decrypts every value to a placeholder.
type stand struct {
	maker *Maker
	doc   document
	note  bool
}

// Encrypt is not used: what a Maker makes is encrypted for real.
func (s *stand) Encrypt(any, []byte, string) (string, error) {
	return "", errors.New("a stand-in does not encrypt")
}

// encrypted matches an encrypted value, as SOPS parses it, and its type.
var encrypted = regexp.MustCompile(`^ENC\[AES256_GCM,data:(?:.+),iv:(?:.+),tag:(?:.+),type:(.+)\]`)

func isEncrypted(value string) bool { return strings.HasPrefix(value, "ENC[AES256_GCM,") }

// Decrypt returns a placeholder of the value's type. where is the value's path, with a colon after each key.
func (s *stand) Decrypt(value string, _ []byte, where string) (any, error) {
	if value == "" {
		return "", nil // as SOPS leaves it
	}
	m := encrypted.FindStringSubmatch(value)
	if m == nil {
		return nil, errors.New("a value that should be encrypted is in plain text")
	}
	keys := strings.Split(strings.TrimSuffix(where, ":"), ":")
	switch m[1] {
	case "str", "bytes":
		return s.text(keys), nil
	case "int":
		n, err := strconv.Atoi(s.value(keys))
		if err != nil {
			n = 1
		}
		return n, nil
	case "float":
		return 0.5, nil
	case "bool":
		return s.value(keys) == "true", nil
	case "time":
		return time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), nil
	case "comment":
		return sops.Comment{Value: " " + placeholder.Mark}, nil
	}
	return nil, fmt.Errorf("unknown type %s of a value", m[1])
}

// text is the placeholder for a text.
func (s *stand) text(keys []string) string {
	if s.doc.binary != "" {
		out := s.special(s.doc.binary)
		if out == "" {
			out = placeholder.Value(s.doc.binary, nil)
		}
		s.noted(s.doc.binary, out, nil)
		return out
	}
	switch where := strings.Join(keys, "."); {
	case where == "kind" && s.doc.kind != "":
		return s.doc.kind
	case where == "apiVersion" && s.doc.kind == "Secret":
		return "v1"
	case where == "type" && s.doc.kind == "Secret":
		return "Opaque"
	}
	out := s.special(keys[len(keys)-1])
	if out == "" {
		out = s.value(keys)
	} else {
		s.noted(keys[len(keys)-1], out, nil)
	}
	if s.base64(keys) {
		return encodeBase64(out)
	}
	return out
}

// base64 says whether the place of a value wants base64.
func (s *stand) base64(keys []string) bool {
	if len(keys) < 2 {
		return false
	}
	section := keys[len(keys)-2]
	switch s.doc.kind {
	case "Secret":
		return len(keys) == 2 && section == "data"
	case "ConfigMap":
		return len(keys) == 2 && section == "binaryData"
	case "List", "SecretList":
		return keys[0] == "items" && section == "data"
	}
	return false
}

// special are values that Flux itself imports as keys when a layer decrypts: none but a key will do.
func (s *stand) special(key string) string {
	switch {
	case strings.HasSuffix(key, ".agekey"):
		return string(s.maker.key.Text())
	case strings.HasSuffix(key, ".asc"):
		return throwAwayPGP()
	case key == "sops.aws-kms":
		return "{}"
	}
	return ""
}

// value is the plain placeholder for a value.
func (s *stand) value(keys []string) string {
	key := keys[len(keys)-1]
	object := s.doc.kind
	for _, part := range []string{s.doc.namespace, s.doc.name} {
		if part != "" {
			object += "/" + part
		}
	}
	places := []placeholder.Place{{
		Key: key, Path: strings.Join(keys, "."), Kind: s.doc.kind, Object: object, File: s.doc.file, Type: s.doc.secretType,
	}}
	for _, p := range s.maker.places[key] {
		if p.From == "" || s.doc.name == "" || strings.HasSuffix(p.From, "/"+s.doc.name) {
			places = append(places, p)
		}
	}
	out := placeholder.Value(key, places)
	s.noted(key, out, places)
	return out
}

func (s *stand) noted(name, value string, places []placeholder.Place) {
	if s.note {
		s.maker.made.Add(placeholder.Made{Value: value, Name: name, File: s.doc.file, Secret: s.doc.secret(), Places: places})
	}
}
