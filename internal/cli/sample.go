package cli

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/generate"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/secrets"
)

// wantsSample says whether a folder is one where the sample is meant: an empty
// one, or a clone of Seatrial itself. Anywhere else a repo is expected, and a
// folder that holds none, such as a wrong checkout, must not pass for one.
func wantsSample(dir string, working func(layer, file string)) (bool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return e.Name() == ".git" })
	if len(entries) == 0 {
		return true, nil
	}
	b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || !bytes.HasPrefix(b, []byte("module seatrial.dev/seatrial\n")) {
		return false, err
	}
	tree, err := gitops.Read(os.DirFS(dir), working)
	if err != nil {
		return false, err
	}
	return len(tree.Clusters()) == 0, nil
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
