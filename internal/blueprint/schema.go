package blueprint

import (
	_ "embed"
	"encoding/json"
	"path/filepath"

	"github.com/invopop/jsonschema"

	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/policy"
)

//go:generate go run ./schemagen

// SchemaURL identifies the schema. Nothing serves it: seatrial init puts the schema beside a blueprint.
const SchemaURL = "https://seatrial.dev/schemas/blueprint-v1alpha1.json"

// PublishedSchema is the schema of blueprints, for editors. `go generate
// ./internal/blueprint` writes it, and a test compares it with the types.
//
//go:embed schema.json
var PublishedSchema []byte

// Schema makes the JSON schema from the types and from their comments, which it reads
// in dir, the folder of this package's source.
func Schema(dir string) ([]byte, error) {
	r := &jsonschema.Reflector{DoNotReference: true}
	if err := r.AddGoComments("seatrial.dev/seatrial/internal/blueprint", dir); err != nil {
		return nil, err
	}
	if err := r.AddGoComments(policy.Package, filepath.Join(dir, "../policy")); err != nil {
		return nil, err
	}
	s := r.Reflect(&Blueprint{})
	s.ID = SchemaURL
	s.Title = "Seatrial blueprint"
	c, err := catalogue.Load()
	if err != nil {
		return nil, err
	}
	if services, ok := s.Properties.Get("services"); ok {
		services.PropertyNames = &jsonschema.Schema{}
		for _, name := range c.Names() {
			services.PropertyNames.Enum = append(services.PropertyNames.Enum, name)
		}
	}
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}
