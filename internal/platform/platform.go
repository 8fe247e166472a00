// Package platform is what a repo says of the cluster that it is for, beyond its layers: the
// ConfigMap cluster-essentials in Flux's namespace, which seatrial generate writes.
package platform

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

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

// flavours are the Pod Security defaults of clusters: Tanzu Kubernetes releases from 1.26 on that a
// Supervisor makes, and standalone clusters of Tanzu 2.4 and newer, enforce "restricted" where a
// namespace says nothing. Those of 2.3 do not: podSecurity in the ConfigMap says so.
var flavours = map[string]string{"tkg-2": "restricted"}

// Exempt are the namespaces that a Tanzu cluster's default leaves alone: those of the overlay
// kube-apiserver-admission of Tanzu's cluster class.
var Exempt = []string{"kube-system", "tkg-system"}

// declaration is the ConfigMap that declares a platform.
type declaration struct {
	Kind     string
	Metadata struct{ Name, Namespace string }
	Data     struct{ Flavour, PackagingGlobalNamespace, PodSecurity, RegistryProxy, DirectImages string }
}

// Parse reads manifests of which one may declare a platform. What is no YAML declares none: the
// layer that applies it is told so.
func Parse(manifests []byte) (Platform, error) {
	for d := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifests))); ; {
		doc, err := d.Read()
		if err != nil {
			return Platform{}, nil // the end
		}
		var c declaration
		if sigsyaml.Unmarshal(doc, &c) == nil && c.Kind == "ConfigMap" && c.Metadata.Name == "cluster-essentials" && c.Metadata.Namespace == "flux-system" {
			return c.platform()
		}
	}
}

func (c declaration) platform() (Platform, error) {
	p := Platform{Flavour: c.Data.Flavour, PackagingGlobalNamespace: c.Data.PackagingGlobalNamespace, PodSecurity: cmp.Or(c.Data.PodSecurity, flavours[c.Data.Flavour])}
	if !slices.Contains([]string{"", "privileged", "baseline", "restricted"}, p.PodSecurity) {
		return p, fmt.Errorf("podSecurity: want privileged, baseline or restricted, not %q", p.PodSecurity)
	}
	if one := strings.TrimSpace(c.Data.RegistryProxy); one != "" && !strings.ContainsAny(one, " \n{") {
		c.Data.RegistryProxy = "'*': " + one
	}
	for key, f := range map[string]struct {
		text string
		into *map[string]string
	}{"registryProxy": {c.Data.RegistryProxy, &p.Proxies}, "directImages": {c.Data.DirectImages, &p.Direct}} {
		if err := sigsyaml.Unmarshal([]byte(f.text), f.into); err != nil {
			return p, fmt.Errorf("%s: want lines such as docker.io: harbor.my-domain.com/hub", key)
		}
	}
	for host, proxy := range p.Proxies {
		if strings.Contains(proxy, "://") || strings.HasSuffix(proxy, "/") {
			return p, fmt.Errorf("registryProxy: %s: want a registry and a project without https://, not %q", host, proxy)
		}
	}
	direct := map[string]string{}
	for image, why := range p.Direct { // as people write them: postgres, envoyproxy/envoy:v1
		name, _ := catalogue.SplitImage(image)
		host, repository := catalogue.Registry(name)
		direct[host+"/"+repository] = why
	}
	p.Direct = direct
	return p, nil
}

// In reads the platform that a tree declares for the cluster that Flux is bootstrapped on at a
// path; empty: the only one. files are the files that may declare one, by their paths. Of those
// whose folder holds the path, the innermost counts. A tree that declares none, or several for no
// path, takes nothing for granted.
func In(files map[string][]byte, path string) (Platform, error) {
	var mine []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		dir := strings.TrimSuffix(name, File)
		if path == "" || strings.HasPrefix(strings.Trim(strings.TrimPrefix(path, "./"), "/")+"/", dir) {
			mine = append(mine, name)
		}
	}
	if len(mine) == 0 || path == "" && len(mine) > 1 {
		return Platform{}, nil
	}
	innermost := slices.MaxFunc(mine, func(a, b string) int { return len(a) - len(b) })
	p, err := Parse(files[innermost])
	if err != nil {
		return p, fmt.Errorf("%s: ConfigMap cluster-essentials: %w", innermost, err)
	}
	return p, nil
}

// With is the platform with what is said of it elsewhere, where that is not empty.
func (p Platform) With(podSecurity, packagingGlobalNamespace string) Platform {
	if podSecurity != "" {
		p.PodSecurity, p.Flavour = podSecurity, ""
	}
	p.PackagingGlobalNamespace = cmp.Or(packagingGlobalNamespace, p.PackagingGlobalNamespace)
	return p
}

// Bypass says whether an image, as a manifest writes it, is pulled directly although all images
// are to be pulled through a proxy. want is the name that would be right; empty if its registry has no proxy.
func (p Platform) Bypass(image string) (want string, bypass bool) {
	if len(p.Proxies) == 0 {
		return "", false
	}
	name, version := catalogue.SplitImage(image)
	host, repository := catalogue.Registry(name)
	for _, proxy := range p.Proxies {
		if at, _, _ := strings.Cut(proxy, "/"); at == host {
			return "", false // of a proxy, or the team's own in the same registry
		}
	}
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
