// Package generate renders a blueprint into a GitOps repo.
package generate

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	repotemplate "seatrial.dev/seatrial/repo-template"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/secrets"
)

// Repo renders b into files by slash-separated path. Secrets are random and
// encrypted for b's recipients before they leave this function.
func Repo(b *blueprint.Blueprint) (map[string][]byte, error) {
	if len(b.Recipients) == 0 {
		return nil, errors.New("no age recipient to encrypt secrets for")
	}
	files, passwords := map[string][]byte{}, map[string]string{}
	err := fs.WalkDir(repotemplate.Files(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(repotemplate.Files(), name)
		if err != nil {
			return err
		}
		out, secret, err := render(name, string(text), b, passwords)
		if err != nil {
			return err
		}
		if secret {
			if out, err = secrets.Encrypt(out, b.Recipients, secrets.EncryptedRegex); err != nil {
				return fmt.Errorf("encrypt %s: %w", name, err)
			}
		}
		files[strings.ReplaceAll(name, "CLUSTER", b.Cluster)] = out
		return nil
	})
	return files, err
}

// render fills a template in and says whether the result is a Secret.
// passwords holds those that were made, by name: services share some.
func render(name, text string, b *blueprint.Blueprint, passwords map[string]string) ([]byte, bool, error) {
	t, err := template.New(name).Delims("[[", "]]").Option("missingkey=error").Funcs(template.FuncMap{
		"join": strings.Join,
		"secret": func(name string) (string, error) {
			if _, made := passwords[name]; !made {
				p, err := password()
				if err != nil {
					return "", err
				}
				passwords[name] = p
			}
			return passwords[name], nil
		},
	}).Parse(text)
	if err != nil {
		return nil, false, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, b); err != nil {
		return nil, false, err
	}
	return out.Bytes(), bytes.Contains(out.Bytes(), []byte("\nkind: Secret\n")), nil
}

// password makes 192 random bits that need no quoting in YAML.
func password() (string, error) {
	var b [24]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	return "p" + base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// Path is where Flux is bootstrapped in the repo of b.
func Path(b *blueprint.Blueprint) string {
	return "platforms/clusters/" + b.Cluster + "/kustomizations"
}

// Write writes files below dir, which must be empty or missing: regenerating
// into a repo could lose what its owner changed.
func Write(dir string, files map[string][]byte) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if e.Name() != ".git" {
			return fmt.Errorf("%s is not empty (it holds %s): give --out a new folder", dir, e.Name())
		}
	}
	for name, b := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, b, 0o644); err != nil {
			return err
		}
	}
	return nil
}
