package generate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/spelling"
)

// harbor is the service that can be a registry proxy.
const harbor = "harbor"

// ownProxy says whether images are pulled through the Harbor that this very repo installs.
func (r *renderer) ownProxy() bool {
	if r.blueprint.Services[harbor] == nil {
		return false
	}
	return slices.ContainsFunc(r.blueprint.Proxies(), r.own)
}

// own says whether a registry proxy is the Harbor that this repo installs.
func (r *renderer) own(proxy string) bool {
	host, err := r.host(harbor)
	at, _, _ := strings.Cut(proxy, "/")
	return err == nil && at == host
}

// direct says why an image of a service or component does not come through the proxy that
// its registry has; empty if it does.
func (r *renderer) direct(s *instance, image string) string {
	host, _ := catalogue.Registry(image)
	if r.blueprint.Services[harbor] == nil || !r.own(r.blueprint.Proxy(host)) {
		return ""
	}
	return r.before(s)
}

// before says why a service or component has to run before the Harbor that is the repo's
// proxy; empty if it can wait for it.
func (r *renderer) before(s *instance) string {
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

// proxyNotes say what is odd about a blueprint's registry proxies.
func proxyNotes(b *blueprint.Blueprint) []string {
	images, err := Images(b)
	if err != nil {
		return nil // rendering reports the error
	}
	used := map[string]bool{}
	for _, i := range images {
		host, _ := catalogue.Registry(i.Image)
		used[host] = true
	}
	var out []string
	serves := map[string]string{}
	for _, p := range sortedProxies(b) {
		if p.Registry == blueprint.AnyRegistry {
			continue
		}
		if !used[p.Registry] {
			note := fmt.Sprintf("registryProxy names %s, from which no image of this blueprint comes", p.Registry)
			if near := spelling.Nearest(p.Registry, slices.Sorted(maps.Keys(used))); near != "" {
				note += ": did you mean " + near + "?"
			}
			out = append(out, note)
		}
		if other := serves[p.Proxy]; other != "" {
			out = append(out, fmt.Sprintf("%s and %s share %s, and a proxy project of Harbor serves one registry", other, p.Registry, p.Proxy))
		}
		serves[p.Proxy] = p.Registry
	}
	return out
}

// registryProxy is a registry, or * for all others, and what its images are pulled through.
type registryProxy struct{ Registry, Proxy string }

// sortedProxies are all registry proxies of a blueprint, sorted by registry.
func sortedProxies(b *blueprint.Blueprint) []registryProxy {
	all := map[string]string{}
	maps.Copy(all, b.RegistryProxy)
	maps.Copy(all, b.RegistryProxies)
	var out []registryProxy
	for _, host := range slices.Sorted(maps.Keys(all)) {
		out = append(out, registryProxy{host, all[host]})
	}
	return out
}

// proxies are all registry proxies, as a template of YAML writes them.
func (r *renderer) proxies() []registryProxy {
	out := sortedProxies(r.blueprint)
	for i := range out {
		if out[i].Registry == blueprint.AnyRegistry {
			out[i].Registry = "'*'"
		}
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
