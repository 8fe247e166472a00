//go:build weakened

package sandbox

import (
	"errors"
	"os"
	"slices"
	"strings"
)

// taken are the names of the protections that a test takes out.
var taken = strings.Split(os.Getenv("SEATRIAL_WITHOUT"), ",")

func without(protection string) bool { return slices.Contains(taken, protection) }

func weakened(a Ability) Ability {
	if without("namespaces") && a.Namespaces == nil {
		a.Namespaces = errors.New("taken out by a test")
	}
	if without("landlock") {
		a.Landlock = 0
	}
	return a
}

func init() { inherited = append(inherited, "SEATRIAL_WITHOUT") }
