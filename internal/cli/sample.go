package cli

import (
	"os"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/generate"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/secrets"
)

// holdsRepo says whether Flux is bootstrapped anywhere in a folder.
func holdsRepo(dir string) (bool, error) {
	roots, err := gitops.Roots(os.DirFS(dir))
	return len(roots) > 0, err
}

// writeSample generates the sample's repo in a new folder, for a key that lives
// in memory only.
func writeSample(dir string) (*secrets.Key, error) {
	key, err := secrets.NewKey()
	if err != nil {
		return nil, err
	}
	b := blueprint.Default()
	b.Recipients = key.Recipients()
	files, err := generate.Render(b, generate.NewCredentials(), nil)
	if err != nil {
		return nil, err
	}
	return key, generate.Write(dir, files, b.Recipients)
}
