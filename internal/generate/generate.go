// Package generate renders a blueprint into a GitOps repo.
//
// Rendering is pure and reproducible: Render returns all files, with Secrets in plain
// text, in memory only. plan.go then compares them with a folder that was generated
// before, with its owner's edits and its encrypted files.
package generate

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	repotemplate "seatrial.dev/seatrial/repo-template"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/policy"
)

// File is one rendered file.
type File struct {
	Data []byte
	// Secret is true if Data is plain text that must be encrypted before it is written.
	Secret bool
	// Shape is the content of a secret file with the names of credentials in place of
	// their values: as long as it stays the same, the encrypted file can stay, too.
	Shape []byte
}

// Manifests are release manifests of the controllers that a generic cluster
// lacks, by name.
type Manifests map[string][]byte

// Render renders b into files by slash-separated path.
func Render(b *blueprint.Blueprint, credentials *Credentials, essentials Manifests) (map[string]File, error) {
	c, err := catalogue.Load()
	if err != nil {
		return nil, err
	}
	r := &renderer{blueprint: b, catalogue: c, credentials: credentials, files: map[string]File{}}
	for _, name := range slices.Sorted(maps.Keys(essentials)) {
		text := essentials[name]
		r.essentials = append(r.essentials, string(text))
		if err := r.put(r.source("cluster-essentials", name), File{Data: text}); err != nil {
			return nil, err
		}
	}
	if err := r.render("parts/cluster-essentials.yaml", r.source("cluster-essentials", "cluster-essentials"), r.data(nil)); err != nil {
		return nil, err
	}
	if err := r.services(); err != nil {
		return nil, err
	}
	if err := r.repo(); err != nil {
		return nil, err
	}
	if err := r.layers(); err != nil {
		return nil, err
	}
	if err := r.policy(); err != nil {
		return nil, err
	}
	record, err := credentials.file()
	if err != nil {
		return nil, err
	}
	r.files[credentialsFile] = record
	return r.files, nil
}

// Path is where Flux is bootstrapped in the repo of b.
func Path(b *blueprint.Blueprint) string { return b.ClusterDir() + "/kustomizations" }

// policy puts the blueprint's section promotion where a promotion of the repo reads it.
func (r *renderer) policy() error {
	if r.blueprint.Promotion == nil {
		return nil
	}
	text, err := yaml.Marshal(policy.Rehearsal{APIVersion: policy.APIVersion, Kind: policy.Kind, Promotion: r.blueprint.Promotion})
	if err != nil {
		return err
	}
	return r.put(policy.File, File{Data: append([]byte("# What a promotion has to satisfy. Written by seatrial generate, from the blueprint's section promotion.\n"), text...)})
}

// renderer renders the files of one repo.
type renderer struct {
	blueprint   *blueprint.Blueprint
	catalogue   *catalogue.Catalogue
	credentials *Credentials
	files       map[string]File
	essentials  []string // release manifests
}

// source is the path of what a layer applies.
func (r *renderer) source(layer, name string) string {
	return path.Join(r.blueprint.ClusterDir(), "flux-sources", layer, name+".yaml")
}

// repo renders the files outside of the cluster's folder.
func (r *renderer) repo() error {
	return fs.WalkDir(repotemplate.Files, "repo", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		to := strings.TrimPrefix(name, "repo/")
		if rest, isCI := strings.CutPrefix(to, "ci/"); isCI {
			// Each Git provider has its own folder, in which the file has the path
			// where the provider looks for it.
			provider, file, _ := strings.Cut(rest, "/")
			if provider != r.blueprint.Git.Provider {
				return nil
			}
			to = file
		}
		return r.render(name, to, r.data(nil))
	})
}

// layers renders the layers' Kustomizations. The template of a layer without content
// renders to nothing, so the layer is left out.
func (r *renderer) layers() error {
	return fs.WalkDir(repotemplate.Files, "layers", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return r.render(name, path.Join(Path(r.blueprint), path.Base(name)), r.data(nil))
	})
}

// render executes a template and adds the result to the files.
func (r *renderer) render(template, to string, d data) error {
	text, err := fs.ReadFile(repotemplate.Files, template)
	if err != nil {
		return err
	}
	return r.keep(template, string(text), to, d)
}

// keep executes the template text and adds the result to the files. A file that holds a
// Kubernetes Secret is rendered twice: the second time, for its shape, with the
// credentials' names.
func (r *renderer) keep(name, text, to string, d data) error {
	out, err := r.fill(name, text, d, r.credentials)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(out)) == 0 {
		return nil // the template renders to nothing for this blueprint
	}
	f := File{Data: out}
	if bytes.Contains(append([]byte("\n"), out...), []byte("\nkind: Secret\n")) {
		f.Secret = true
		if f.Shape, err = r.fill(name, text, d, nil); err != nil {
			return err
		}
	}
	return r.put(to, f)
}

// put adds a file; it is an error if one of that name exists.
func (r *renderer) put(to string, f File) error {
	if _, taken := r.files[to]; taken {
		return fmt.Errorf("%s is rendered twice", to)
	}
	r.files[to] = f
	return nil
}

// has says whether a layer applies any file.
func (r *renderer) has(layer string) bool {
	dir := path.Dir(r.source(layer, "x")) + "/"
	return slices.ContainsFunc(slices.Collect(maps.Keys(r.files)), func(name string) bool { return strings.HasPrefix(name, dir) })
}
