package generate

import (
	"maps"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/catalogue"
)

// harbor is the service that can be a registry proxy.
const harbor = "harbor"

// ownProxy says whether images are pulled through the Harbor that this very repo installs.
func (r *renderer) ownProxy() bool {
	if r.blueprint.Services[harbor] == nil {
		return false
	}
	host, err := r.host(harbor)
	if err != nil {
		return false
	}
	for _, proxy := range r.blueprint.Proxies() {
		if at, _, _ := strings.Cut(proxy, "/"); at == host {
			return true
		}
	}
	return false
}

// direct says why the images of a service or component do not come through the registry
// proxy although its registry has one; empty if they do.
func (r *renderer) direct(s *instance) string {
	if !r.ownProxy() {
		return ""
	}
	switch {
	case s.entry.Package != nil:
		return "the way to Harbor, which is the proxy, leads through it"
	case s.entry.Name == harbor:
		return "it is the proxy"
	case strings.HasPrefix(s.release, harbor+"-"):
		return "Harbor, which is the proxy, needs it"
	}
	return ""
}

// registryProxy is a registry, or * for all others, and what its images are pulled through.
type registryProxy struct{ Registry, Proxy string }

// proxies are all registry proxies, sorted by registry.
func (r *renderer) proxies() []registryProxy {
	all := map[string]string{}
	maps.Copy(all, r.blueprint.RegistryProxy)
	maps.Copy(all, r.blueprint.RegistryProxies)
	var out []registryProxy
	for _, host := range slices.Sorted(maps.Keys(all)) {
		name := host
		if host == blueprint.AnyRegistry {
			name = "'*'"
		}
		out = append(out, registryProxy{name, all[host]})
	}
	return out
}

// Direct is an image that is not pulled through a registry proxy, although there is one.
type Direct struct{ Image, Why string }

// directImages lists the images that are not pulled through a registry proxy, and why; none
// if there is no proxy.
func (r *renderer) directImages() ([]Direct, error) {
	if len(r.blueprint.Proxies()) == 0 {
		return nil, nil
	}
	all, err := Images(r.blueprint)
	if err != nil {
		return nil, err
	}
	var out []Direct
	seen := map[string]bool{}
	for _, i := range all {
		name, _ := catalogue.SplitImage(i.Image)
		if i.Direct != "" && !seen[name] {
			seen[name] = true
			out = append(out, Direct{name, i.Direct})
		}
	}
	for _, source := range r.essentials {
		for line := range strings.Lines(source) {
			_, image, found := strings.Cut(line, "image:")
			name, _ := catalogue.SplitImage(strings.Trim(strings.TrimSpace(image), `"'`))
			if found && name != "" && !seen[name] {
				seen[name] = true
				host, repository := catalogue.Registry(name)
				out = append(out, Direct{host + "/" + repository, "it is in a release manifest, which is applied as it is"})
			}
		}
	}
	return out, nil
}
