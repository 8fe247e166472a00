package gitrepo

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// remoteURL matches a remote's address in Git's configuration.
var remoteURL = regexp.MustCompile(`(?m)^\s*url\s*=\s*"?([^"\s]+)`)

// Remotes are the addresses of the remotes of the clone that dir is the working tree of, as its own
// configuration has them; none if there is no such clone. Git is not run: it would obey that configuration.
func Remotes(dir string) []string {
	gitDir := filepath.Join(dir, ".git")
	if b, err := os.ReadFile(gitDir); err == nil { // a linked working tree
		gitDir = strings.TrimSpace(strings.TrimPrefix(string(b), "gitdir:"))
		if !filepath.IsAbs(gitDir) {
			gitDir = filepath.Join(dir, gitDir)
		}
		if common, err := os.ReadFile(filepath.Join(gitDir, "commondir")); err == nil {
			gitDir = filepath.Join(gitDir, strings.TrimSpace(string(common)))
		}
	}
	info, err := os.Stat(filepath.Join(gitDir, "config"))
	if err != nil || !info.Mode().IsRegular() || info.Size() > 1<<20 {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(gitDir, "config"))
	if err != nil {
		return nil
	}
	var out []string
	for _, m := range remoteURL.FindAllStringSubmatch(string(b), -1) {
		out = append(out, m[1])
	}
	return out
}
