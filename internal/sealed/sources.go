package sealed

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// Source is a file that kustomize-controller decrypts in place before it builds a layer.
type Source struct {
	// File is its path in the tree.
	File string
	// Name is what its format is taken from: the key that a generator gives it, or its own name. An
	// env file of no known format is dotenv, and its name gets that extension.
	Name string
	// Kustomization is the file that names it.
	Kustomization string
}

// Format is the format that kustomize-controller takes the file for.
func (s Source) Format() Format { return FormatOf(s.Name) }

// maxFolders bounds the folders that are looked at for one layer.
const maxFolders = 2000

// Sources are the files that kustomize-controller decrypts, if they are encrypted, before it builds the
// layer at dir: patches, and the files and env files of secretGenerators, of the kustomizations there and
// in each folder that they name as a resource or component. Documents are decrypted after the build, and
// nothing else is: neither configMapGenerator's files nor those of patchesStrategicMerge. read returns a
// file of the tree by its slash-separated path, or false.
func Sources(read func(name string) ([]byte, bool), dir string) []Source {
	var out []Source
	seen, folders := map[Source]bool{}, map[string]bool{}
	var visit func(dir string)
	visit = func(dir string) {
		dir = clean(dir)
		if folders[dir] || len(folders) >= maxFolders {
			return
		}
		folders[dir] = true
		file, k := kustomization(read, dir)
		if k == nil {
			return
		}
		for _, s := range named(k) {
			s.File, s.Kustomization = inside(dir, s.File), file
			if !seen[s] {
				seen[s] = true
				out = append(out, s)
			}
		}
		for _, res := range slices.Concat(k.Resources, k.Components) {
			if !remote(res) {
				visit(inside(dir, res))
			}
		}
	}
	visit(dir)
	return out
}

// kustomization reads the kustomization file of a folder; nil if there is none that can be read.
func kustomization(read func(string) ([]byte, bool), dir string) (string, *types.Kustomization) {
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		file := path.Join(dir, name)
		b, there := read(file)
		if !there {
			continue
		}
		var k types.Kustomization
		if err := yaml.Unmarshal(b, &k); err != nil {
			return file, nil // the build reports it
		}
		return file, &k
	}
	return "", nil
}

// named are the files that a kustomization itself names, relative to it.
func named(k *types.Kustomization) []Source {
	var out []Source
	for _, g := range k.SecretGenerator {
		for _, f := range g.FileSources {
			key, file, renamed := strings.Cut(f, "=")
			if !renamed {
				file = key
			}
			out = append(out, Source{File: file, Name: key})
		}
		for _, f := range g.EnvSources {
			name := f
			if FormatOf(f) == Binary {
				name += ".env"
			}
			out = append(out, Source{File: f, Name: name})
		}
	}
	for _, p := range k.Patches {
		if p.Path != "" && !remote(p.Path) {
			out = append(out, Source{File: p.Path, Name: p.Path})
		}
	}
	return out
}

// inside joins a path to a folder, kept within the tree.
func inside(dir, name string) string { return clean(dir + "/" + name) }

func clean(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

func remote(p string) bool {
	u, err := url.Parse(p)
	return err == nil && u.Scheme != "" && u.Host != ""
}
