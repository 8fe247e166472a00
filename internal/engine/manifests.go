package engine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const (
	manifestFile = "install.yaml"
	// watcherFile is what SourceWatcher adds to the install manifest of Flux.
	watcherFile = "source-watcher.yaml"
	// manifestRevision is part of every family's key. Raise it when the rendering, or
	// any other file beside the binaries, changes.
	manifestRevision = "2"
)

// manifests has, by family, the function that renders the install manifests of its
// controllers, by file. It takes the files that upstream ships in the same modules as the binaries.
var manifests = map[string]func(ctx context.Context, c *Cache, src string) (map[string][]byte, error){
	"flux":            fluxManifests,
	"kapp-controller": kappControllerManifest,
}

// FluxComponents are the controllers of a rehearsal.
var FluxComponents = []string{"source-controller", "kustomize-controller", "helm-controller"}

// SourceWatcher makes the artifacts of ArtifactGenerators. flux install leaves it out, unless it is
// told otherwise by --components-extra.
const SourceWatcher = "source-watcher"

// fluxModule is the Go module of one of Flux's controllers.
func fluxModule(component string) string {
	if component == SourceWatcher {
		component += "/v2"
	}
	return "github.com/fluxcd/" + component
}

// moduleDir returns the folder of a module in Go's module cache, and downloads it if necessary.
func (c *Cache) moduleDir(ctx context.Context, src, module string) (string, error) {
	cmd := c.goCommand(ctx, src, os.TempDir(), "mod", "download", module)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("download %s: %w\n%s", module, err, out)
	}
	out, err := c.goCommand(ctx, src, os.TempDir(), "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("find module %s: %w", module, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// crdsOnly are controllers that a rehearsal does not run, but whose kinds a repo
// may hold. They are pinned by a module of their own, below the family's. The
// image automation's are not among them: they can't be verified.
var crdsOnly = []string{"notification-controller"}

// fluxManifests are what `flux install --export` writes for the three controllers, and what it adds to
// that for source-watcher: flux2's own bases, with the controllers' CRDs and Deployments
// taken from their modules instead of their release pages.
func fluxManifests(ctx context.Context, c *Cache, src string) (map[string][]byte, error) {
	f, err := c.fluxSources(ctx, src, false)
	if err != nil {
		return nil, err
	}
	resources := []string{"namespace.yaml", "../rbac", "../policies"}
	for _, component := range FluxComponents {
		resources = append(resources, "../bases/"+component)
	}
	for _, component := range crdsOnly {
		resources = append(resources, "../"+component+"/crd")
	}
	out := map[string][]byte{}
	for file, resources := range map[string][]string{manifestFile: resources, watcherFile: {"../bases/" + SourceWatcher}} {
		if out[file], err = f.install(resources); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// install renders resources, which are named as in the folder install, as flux install does.
func (f *fluxFiles) install(resources []string) ([]byte, error) {
	dir := path.Join(fluxRoot, "install")
	if err := edit(f.memory, path.Join(dir, "kustomization.yaml"), func(k *types.Kustomization) { k.Resources = resources }); err != nil {
		return nil, err
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(f.memory, dir)
	if err != nil {
		return nil, err
	}
	return built.AsYaml()
}

func edit(fs filesys.FileSystem, file string, change func(*types.Kustomization)) error {
	b, err := fs.ReadFile(file)
	if err != nil {
		return err
	}
	var k types.Kustomization
	if err := k.Unmarshal(b); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	change(&k)
	out, err := yaml.Marshal(k)
	if err != nil {
		return err
	}
	return fs.WriteFile(file, out)
}

func copyTree(fs filesys.FileSystem, to, from string) error {
	return filepath.WalkDir(from, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return fs.WriteFile(path.Join(to, filepath.ToSlash(rel)), b)
	})
}

// kappControllerManifest renders the release's own configuration, without the packaging
// global namespace: that one is created by the caller, who also replaces
// GLOBAL_NAMESPACE in the manifest by its name.
func kappControllerManifest(ctx context.Context, c *Cache, src string) (map[string][]byte, error) {
	const module = "github.com/vmware-tanzu/carvel-kapp-controller"
	dir, err := c.moduleDir(ctx, src, module)
	if err != nil {
		return nil, err
	}
	// ytt belongs to the family carvel, which is built earlier.
	carvel, err := c.familyDir(family("carvel"))
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "config")
	cmd := exec.CommandContext(ctx, filepath.Join(carvel, "bin", "ytt"),
		"-f", filepath.Join(config, "config"), "-f", filepath.Join(config, "values-schema.yml"), "-f", filepath.Join(config, "overlays"),
		"--data-value", "packagingGlobalNamespace=GLOBAL_NAMESPACE", "--data-value-yaml", "createPackagingNamespace=false",
		"--data-value-yaml", "enableApiPriorityAndFairness=false")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ytt: %w\n%s", err, stderr.Bytes())
	}
	return map[string][]byte{manifestFile: out}, nil
}
