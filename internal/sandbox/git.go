package sandbox

import (
	"debug/elf"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// gitHelpers are the programs that git's shell scripts call.
var gitHelpers = []string{"sh", "sed", "basename", "dirname", "uname", "cat", "tr", "cut", "wc", "expr", "rm", "mkdir"}

// gitFiles returns the files that must be executable to run git: git and its parts, a
// shell and its helpers, and the dynamic loaders of all these.
var gitFiles = sync.OnceValues(func() ([]string, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("%w: git must be on PATH", err)
	}
	real, err := filepath.EvalSymlinks(git)
	if err != nil {
		return nil, err
	}
	if !inSystem(real) {
		return nil, fmt.Errorf("git is %s, outside of the folders that a rehearsal sees (%s): install git as a package of the system", real, strings.Join(systemFolders, ", "))
	}
	out, err := exec.Command(git, "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("git --exec-path: %w", err)
	}
	files := []string{real, strings.TrimSpace(string(out))}
	for _, name := range gitHelpers {
		if p, err := exec.LookPath(name); err == nil {
			if p, err = filepath.EvalSymlinks(p); err == nil {
				files = append(files, p)
			}
		}
	}
	for _, p := range files[:len(files):len(files)] {
		if loader := interpreter(p); loader != "" {
			files = append(files, loader)
		}
	}
	return files, nil
})

// interpreter returns the dynamic loader of a program, or "" if it is linked statically.
func interpreter(program string) string {
	f, err := elf.Open(program)
	if err != nil {
		return ""
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > 4096 {
			continue
		}
		b := make([]byte, p.Filesz)
		if _, err := p.ReadAt(b, 0); err != nil {
			return ""
		}
		if real, err := filepath.EvalSymlinks(strings.TrimRight(string(b), "\x00")); err == nil {
			return real
		}
	}
	return ""
}
