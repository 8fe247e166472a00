package engine

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestArchiveIsCurrent(t *testing.T) {
	want, err := Pack(".")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(archive, want) {
		t.Fatal("families.txtar is not what the folders hold: run go generate ./engine")
	}
}

func TestEveryFamilyHasItsModule(t *testing.T) {
	for _, family := range Families {
		files := Source(family)
		if len(files["go.mod"]) == 0 || len(files["go.sum"]) == 0 {
			t.Errorf("%s: no go.mod or go.sum in the archive", family)
		}
	}
}

// Parts of the control plane that need no Kubernetes have tests of their own, which go test ./...
// does not come to, as they are in another module.
func TestControlPlane(t *testing.T) {
	cmd := exec.Command("go", "test", "./webhooks")
	cmd.Dir, cmd.Env = "controlplane", append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTestsAreNoPartOfTheBuild(t *testing.T) {
	for _, family := range Families {
		for name := range Source(family) {
			if strings.HasSuffix(name, "_test.go") {
				t.Errorf("%s/%s is in the archive: each change of it would build the family anew", family, name)
			}
		}
	}
}
