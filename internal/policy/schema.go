package policy

import (
	_ "embed"
	"encoding/json"

	"github.com/invopop/jsonschema"
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
	if err := r.AddGoComments(Package, dir); err != nil {
		return nil, err
	}
	s := r.Reflect(&Rehearsal{})
	s.ID = "https://seatrial.dev/schemas/rehearsal-v1alpha1.json"
	s.Title = "Seatrial rehearsal"
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}
