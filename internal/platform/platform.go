// Package platform is what a repo says of the cluster that it is for, beyond its layers: the
// ConfigMap cluster-essentials in Flux's namespace, which seatrial generate writes.
package platform

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/catalogue"
)

// File is the end of the path of the file that declares a platform.
const File = "flux-sources/cluster-essentials/cluster-essentials.yaml"

// Platform is a cluster as a repo takes it for granted. The zero value takes nothing for granted.
type Platform struct {
	// Flavour is a blueprint's, such as tkg-2.
	Flavour string
	// PackagingGlobalNamespace is the one whose Carvel packages all namespaces see.
	PackagingGlobalNamespace string
	// PodSecurity is the Pod Security level that namespaces without a label enforce; empty for
	// Kubernetes's own, which is privileged.
	PodSecurity string
	// Proxies are where images are pulled through, as registry/project, by the upstream
	// registry's host or * for all others.
	Proxies map[string]string
	// Direct are images that are pulled directly all the same, as host/repository, with the reason.
	Direct map[string]string
}

// flavours are the Pod Security defaults of clusters: a Tanzu Kubernetes release from 1.26 on
// enforces "restricted" where a namespace says nothing.
var flavours = map[string]string{"tkg-2": "restricted"}

// Exempt are the namespaces that a Tanzu cluster's default leaves alone: those of the overlay
// kube-apiserver-admission of Tanzu's cluster class.
var Exempt = []string{"kube-system", "tkg-system"}

// Parse reads a manifest that declares a platform.
func Parse(manifest []byte) (Platform, error) {
	var m struct {
		Kind string
		Data struct{ Flavour, PackagingGlobalNamespace, RegistryProxy, DirectImages string }
	}
	if err := yaml.Unmarshal(manifest, &m); err != nil {
		return Platform{}, err
	}
	if m.Kind != "ConfigMap" {
		return Platform{}, nil
	}
	p := Platform{Flavour: m.Data.Flavour, PackagingGlobalNamespace: m.Data.PackagingGlobalNamespace, PodSecurity: flavours[m.Data.Flavour]}
	for text, into := range map[*string]*map[string]string{&m.Data.RegistryProxy: &p.Proxies, &m.Data.DirectImages: &p.Direct} {
		if err := yaml.Unmarshal([]byte(*text), into); err != nil {
			return Platform{}, err
		}
	}
	return p, nil
}

// In reads the platform that a tree declares for the cluster that Flux is bootstrapped on at a
// path; empty: the only one. files are the files that may declare one, by their paths. A tree
// that declares none, or several, takes nothing for granted.
func In(files map[string][]byte, path string) (Platform, error) {
	var mine []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		dir := strings.TrimSuffix(name, File)
		if path == "" || strings.HasPrefix(strings.Trim(strings.TrimPrefix(path, "./"), "/")+"/", dir) {
			mine = append(mine, name)
		}
	}
	if len(mine) != 1 {
		return Platform{}, nil
	}
	p, err := Parse(files[mine[0]])
	if err != nil {
		return p, fmt.Errorf("%s: %w", mine[0], err)
	}
	return p, nil
}

// Bypass says whether an image, as a manifest writes it, is pulled directly although all images
// are to be pulled through a proxy. want is the name that would be right; empty if its registry has no proxy.
func (p Platform) Bypass(image string) (want string, bypass bool) {
	if len(p.Proxies) == 0 {
		return "", false
	}
	for _, proxy := range p.Proxies {
		if strings.HasPrefix(image, proxy+"/") {
			return "", false
		}
	}
	name, version := catalogue.SplitImage(image)
	host, repository := catalogue.Registry(name)
	if _, listed := p.Direct[host+"/"+repository]; listed {
		return "", false
	}
	proxy := p.Proxies[host]
	if proxy == "" {
		proxy = p.Proxies["*"]
	}
	if proxy == "" {
		return "", true
	}
	return proxy + "/" + repository + version, true
}

// Assumptions say what is taken for granted, for a person.
func (p Platform) Assumptions() []string {
	var out []string
	if p.PodSecurity != "" {
		of := ""
		if p.Flavour != "" {
			of = " (flavour " + p.Flavour + ")"
		}
		out = append(out, fmt.Sprintf("namespaces without a Pod Security label enforce %s%s, except %s", p.PodSecurity, of, strings.Join(Exempt, " and ")))
	}
	if len(p.Proxies) > 0 {
		out = append(out, fmt.Sprintf("images are pulled through the proxies of %s", strings.Join(slices.Sorted(maps.Keys(p.Proxies)), ", ")))
	}
	return out
}
