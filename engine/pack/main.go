// Command pack writes families.txtar in the current folder; go generate runs it.
package main

import (
	"log"
	"os"

	"seatrial.dev/seatrial/engine"
)

func main() {
	b, err := engine.Pack(".")
	if err == nil {
		err = os.WriteFile("families.txtar", b, 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}
