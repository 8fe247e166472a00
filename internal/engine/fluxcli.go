package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const flux2 = "github.com/fluxcd/flux2/v2"

// fluxCLI is the flux command, which a first promotion bootstraps with. A rehearsal does not need
// it, so it is built when it is asked for.
var fluxCLI = Family{
	Name: "flux-cli", Title: "the flux command", packages: 1900,
	Binaries: map[string]string{"flux": flux2 + "/cmd/flux"},
	stamp:    flux2, variables: []string{"main.VERSION"}, bare: true,
	of: []string{"flux"}, prepare: (*Cache).addFluxManifests,
}

// FluxVersion is the version of Flux that is rehearsed with, without the v.
func FluxVersion() (string, error) {
	v, err := fluxCLI.version(flux2)
	return trimV(v), err
}

// FluxCLI returns the path of the built flux command, or how to have it built: the families that
// Build has to be given.
func (c *Cache) FluxCLI() (string, []Family, error) {
	dir, err := c.familyDir(fluxCLI)
	if err != nil {
		return "", nil, err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return "", []Family{fluxCLI}, nil
	} else if err != nil {
		return "", nil, err
	}
	return filepath.Join(dir, "bin", "flux"), nil, nil
}

// addFluxManifests puts the manifests that the flux command embeds into a copy of its module: they
// are made at release time, and are not in it.
func (c *Cache) addFluxManifests(ctx context.Context, src, tmp string) error {
	to := filepath.Join(src, "replaced", "flux2")
	if err := c.copyModule(ctx, flux2, src, tmp, to); err != nil {
		return fmt.Errorf("copy %s: %w", flux2, err)
	}
	controllers := filepath.Join(src, "controllers")
	if err := writeSource(family("flux"), controllers); err != nil {
		return err
	}
	out := filepath.Join(to, "cmd", "flux", "manifests")
	for _, dir := range []string{filepath.Dir(out), out} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(dir, 0o755); err != nil { // the module cache is read-only
			return err
		}
	}
	flux, err := c.fluxSources(ctx, controllers, true)
	if err != nil {
		return err
	}
	for _, base := range append([]string{"rbac", "policies"}, flux.components...) {
		at := path.Join(fluxRoot, base)
		if base != "rbac" && base != "policies" {
			at = path.Join(fluxRoot, "bases", base)
		}
		resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(flux.memory, at)
		if err != nil {
			return fmt.Errorf("build %s: %w", base, err)
		}
		text, err := resources.AsYaml()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, base+".yaml"), text, 0o644); err != nil {
			return err
		}
	}
	if out, err := c.goCommand(ctx, src, tmp, "mod", "edit", "-replace="+flux2+"="+to).CombinedOutput(); err != nil {
		return fmt.Errorf("replace %s: %w\n%s", flux2, err, out)
	}
	return nil
}

const fluxRoot = "/flux"

// fluxFiles are Flux's own bases, with what their URLs lead to beside them.
type fluxFiles struct {
	memory     filesys.FileSystem
	components []string
}

// released matches the version of the release page that a base takes a controller from.
var released = regexp.MustCompile(`/releases/download/(v[^/]+)/`)

// fluxSources are flux2's bases of the four controllers that flux bootstrap installs by default, and of
// source-watcher. src
// is the source of the family flux. images has the Deployments name the images that were released.
func (c *Cache) fluxSources(ctx context.Context, src string, images bool) (*fluxFiles, error) {
	f := &fluxFiles{memory: filesys.MakeFsInMemory()}
	dir, err := c.moduleDir(ctx, src, flux2)
	if err != nil {
		return nil, err
	}
	for _, part := range []string{"bases", "rbac", "policies", "install"} {
		if err := copyTree(f.memory, path.Join(fluxRoot, part), filepath.Join(dir, "manifests", part)); err != nil {
			return nil, err
		}
	}
	for _, component := range append(slices.Clone(FluxComponents), SourceWatcher) {
		if err := c.addComponent(ctx, f, src, component, images); err != nil {
			return nil, err
		}
	}
	for _, component := range crdsOnly {
		if err := c.addComponent(ctx, f, filepath.Join(src, "crds"), component, images); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// addComponent has a controller's base take it from the controller's module in place of its release
// page. Its image is the released one: what can be had as a module may be a patch version older.
func (c *Cache) addComponent(ctx context.Context, f *fluxFiles, src, component string, images bool) error {
	dir, err := c.moduleDir(ctx, src, fluxModule(component))
	if err != nil {
		return err
	}
	for _, part := range []string{"crd", "manager"} {
		if err := copyTree(f.memory, path.Join(fluxRoot, component, part), filepath.Join(dir, "config", part)); err != nil {
			return err
		}
	}
	base := path.Join(fluxRoot, "bases", component, "kustomization.yaml")
	text, err := f.memory.ReadFile(base)
	if err != nil {
		return err
	}
	version := released.FindSubmatch(text)
	if version == nil {
		return fmt.Errorf("%s names no release of %s any more", base, component)
	}
	manager := path.Join(fluxRoot, component, "manager")
	if err := edit(f.memory, base, func(k *types.Kustomization) {
		k.Resources = []string{"account.yaml", "../../" + component + "/crd", "../../" + component + "/manager"}
	}); err != nil {
		return err
	}
	f.components = append(f.components, component)
	if !images {
		return nil
	}
	return edit(f.memory, path.Join(manager, "kustomization.yaml"), func(k *types.Kustomization) {
		for i := range k.Images {
			k.Images[i].NewName, k.Images[i].NewTag = "ghcr.io/fluxcd/"+component, string(bytes.TrimSpace(version[1]))
		}
	})
}

func trimV(version string) string {
	if version != "" && version[0] == 'v' {
		return version[1:]
	}
	return version
}
