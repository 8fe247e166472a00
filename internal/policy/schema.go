package policy

import (
	_ "embed"
	"encoding/json"
	"path/filepath"

	"github.com/invopop/jsonschema"

	"seatrial.dev/seatrial/internal/declaration"
)

//go:generate go run ./schemagen

// PublishedSchema is the schema of .seatrial.yaml, for editors. `go generate ./internal/policy` writes
// it, and a test compares it with the types.
//
//go:embed schema.json
var PublishedSchema []byte

// Package is this package's path, under which a schema that contains these types finds their comments.
const Package = "seatrial.dev/seatrial/internal/policy"

// Schema makes the JSON schema from the types and from their comments, which it reads in dir, the folder of this
// package's source.
func Schema(dir string) ([]byte, error) {
	r := &jsonschema.Reflector{DoNotReference: true}
	for name, in := range map[string]string{Package: dir, declaration.Package: filepath.Join(dir, "../declaration")} {
		if err := r.AddGoComments(name, in); err != nil {
			return nil, err
		}
	}
	s := r.Reflect(&Rehearsal{})
	s.ID = "https://seatrial.dev/schemas/rehearsal-v1alpha1.json"
	s.Title = "Seatrial rehearsal"
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}
