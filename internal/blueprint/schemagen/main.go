// Command schemagen writes the JSON schema of blueprints.
package main

import (
	"log"
	"os"

	"seatrial.dev/seatrial/internal/blueprint"
)

func main() {
	b, err := blueprint.Schema(".")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("schema.json", b, 0o644); err != nil {
		log.Fatal(err)
	}
}
