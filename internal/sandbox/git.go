package sandbox

import (
	"debug/elf"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// gitHelpers are programs that git's own scripts start.
var gitHelpers = []string{"sh", "sed", "basename", "dirname", "uname", "cat", "tr", "cut", "wc", "expr", "rm", "mkdir"}

// gitFiles are what may be executed where git runs: itself, its parts, the
// shell that some of them are written in, and the loader of programs.
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

// interpreter is the loader that a dynamically linked program names, or "".
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
