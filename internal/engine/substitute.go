package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	source "seatrial.dev/seatrial/engine"
	"seatrial.dev/seatrial/internal/pace"
)

// substitution is a text in a file of a pinned module that is built as another.
type substitution struct {
	// Part of the engine that reports tell it of.
	Part    string `json:"part"`
	Module  string `json:"module"`
	File    string `json:"file"` // in the module, with slashes
	Text    string `json:"text"`
	Instead string `json:"instead"`
	// Says is what it means for a rehearsal, for a person.
	Says string `json:"says"`
}

// substitutionsFile is where a family lists its substitutions.
const substitutionsFile = "substitutions.yaml"

// substitutions are those of the family; none without a file of them.
func (f Family) substitutions() ([]substitution, error) {
	b, ok := source.Source(f.Name)[substitutionsFile]
	if !ok || !pace.Substituted {
		return nil, nil
	}
	var list struct {
		Substitutions []substitution `json:"substitutions"`
	}
	if err := yaml.UnmarshalStrict(b, &list); err != nil {
		return nil, fmt.Errorf("%s/%s: %w", f.Name, substitutionsFile, err)
	}
	return list.Substitutions, nil
}

// substitute has the family in src built from copies of the modules that it changes: go
// build's own -overlay takes no files of the module cache.
func (c *Cache) substitute(ctx context.Context, f Family, src, tmp string) error {
	all, err := f.substitutions()
	if err != nil {
		return err
	}
	copies := map[string]string{}
	for _, s := range all {
		dir, ok := copies[s.Module]
		if !ok {
			dir = filepath.Join(src, "replaced", filepath.FromSlash(s.Module))
			if err := c.copyModule(ctx, s.Module, src, tmp, dir); err != nil {
				return fmt.Errorf("copy %s: %w", s.Module, err)
			}
			copies[s.Module] = dir
		}
		if err := s.apply(dir); err != nil {
			return err
		}
	}
	for module, dir := range copies {
		if out, err := c.goCommand(ctx, src, tmp, "mod", "edit", "-replace="+module+"="+dir).CombinedOutput(); err != nil {
			return fmt.Errorf("replace %s: %w\n%s", module, err, out)
		}
	}
	return nil
}

// copyModule copies the pinned version of a module, which go has verified, to a folder.
func (c *Cache) copyModule(ctx context.Context, module, src, tmp, to string) error {
	cmd := c.goCommand(ctx, src, tmp, "mod", "download", "-json", module)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%w\n%s%s", err, out, stderr.String())
	}
	var downloaded struct{ Dir string }
	if err := json.Unmarshal(out, &downloaded); err != nil {
		return err
	}
	if downloaded.Dir == "" {
		return errors.New("go mod download names no folder")
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(downloaded.Dir))
}

// apply changes the one place in the module's copy.
func (s substitution) apply(dir string) error {
	file := filepath.Join(dir, filepath.FromSlash(s.File))
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%s has no %s any more: see %s: %w", s.Module, s.File, substitutionsFile, err)
	}
	if n := strings.Count(string(b), s.Text); n != 1 {
		return fmt.Errorf("%s holds %q %d times in %s, not once: upstream has moved it, see %s", s.Module, s.Text, n, s.File, substitutionsFile)
	}
	if err := os.Chmod(file, 0o644); err != nil { // the module cache is read-only
		return err
	}
	return os.WriteFile(file, []byte(strings.Replace(string(b), s.Text, s.Instead, 1)), 0o644)
}
