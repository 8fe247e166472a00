// Command schemagen writes the JSON schema of .seatrial.yaml.
package main

import (
	"log"
	"os"

	"seatrial.dev/seatrial/internal/policy"
)

func main() {
	b, err := policy.Schema(".")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("schema.json", b, 0o644); err != nil {
		log.Fatal(err)
	}
}
