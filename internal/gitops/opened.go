package gitops

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"seatrial.dev/seatrial/internal/sealed"
)

// openSources does what kustomize-controller does before the build of a layer that decrypts: it opens the patches
// and generator files that SOPS has encrypted. It returns how to close them again, and whether there was any. A file
// that can't be opened stays as it is: a check says what is wrong with it.
func (t *Tree) openSources(dir string, open func(string, []byte) ([]byte, error)) (restore func(), opened bool) {
	before := map[string][]byte{}
	restore = func() {
		for name, b := range before {
			_ = t.memory.WriteFile(at(name), b) // it was there before
		}
	}
	if !t.anySealed() {
		return restore, false
	}
	for _, s := range sealed.Sources(t.File, dir) {
		b, err := t.memory.ReadFile(at(s.Name))
		if err != nil || !sealed.Marked(s.Format(), b) {
			continue
		}
		plain, ok := withoutMetadata(b)
		if open != nil {
			plain, err = open(t.original(s.Name), b)
			ok = err == nil
		}
		if ok {
			before[s.Name] = b
			_ = t.memory.WriteFile(at(s.Name), plain) // as above
		}
	}
	return restore, len(before) > 0
}

// anySealed says whether the tree has an encrypted file at all.
func (t *Tree) anySealed() bool {
	if t.sealed == nil {
		found := false
		t.each(func(name string, b []byte) { found = found || sealed.Marked(sealed.FormatOf(name), b) })
		t.sealed = &found
	}
	return *t.sealed
}

// withoutMetadata returns a YAML file without what SOPS added to it; its values stay encrypted.
func withoutMetadata(b []byte) ([]byte, bool) {
	f := parse("", b)
	if f.err != nil || len(f.docs) == 0 {
		return nil, false
	}
	var parts []string
	for _, d := range f.docs {
		delete(d.content, "sops")
		text, err := yaml.Marshal(d.content)
		if err != nil {
			return nil, false
		}
		parts = append(parts, string(text))
	}
	return []byte(strings.Join(parts, "---\n")), true
}
