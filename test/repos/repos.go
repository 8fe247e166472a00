// Package repos has the repos that the tools of test look at beside the sample. They are
// found from the project's folder.
package repos

import (
	"fmt"
	"os/exec"
	"path/filepath"
)

// Catalogue has a build of the command generate the repo of the full blueprint into dir.
func Catalogue(seatrial, dir string) error {
	generate := exec.Command(seatrial, "generate", "--blueprint", "fixtures/blueprints/full.yaml", "--out", dir)
	if text, err := generate.CombinedOutput(); err != nil {
		return fmt.Errorf("generate the catalogue (is this the project's folder?): %w\n%s", err, text)
	}
	return nil
}

// Fixtures are the folders of the repos in fixtures/repos.
func Fixtures() ([]string, error) { return filepath.Glob("fixtures/repos/*") }
