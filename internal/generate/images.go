package generate

import (
	"cmp"
	"fmt"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/catalogue"
)

// Image is an image that a service runs.
type Image struct {
	Service string `json:"service"`
	// Image is its full name, with the registry.
	Image string `json:"image"`
	// Source is the chart or package that brings it.
	Source string `json:"source"`
	// PulledAs is the name under which the cluster pulls it.
	PulledAs string `json:"pulledAs"`
	// Direct says why it is not pulled through a registry proxy, where there is one.
	Direct string `json:"direct,omitempty"`
}

// Images lists the images of a blueprint's services and of their components. Where the
// blueprint asks for another version than the catalogue's, the tags are not known.
func Images(b *blueprint.Blueprint) ([]Image, error) {
	r, all, err := instancesOf(b)
	if err != nil {
		return nil, err
	}
	var out []Image
	for _, s := range all {
		for _, image := range s.entry.Images {
			short, version := catalogue.SplitImage(image)
			host, repository := catalogue.Registry(short)
			full := host + "/" + repository
			pulled, direct := full, r.direct(s, short)
			if p := Proxied(b, short); p != short && direct == "" {
				pulled = p
			} else if direct == "" && len(b.Proxies()) > 0 {
				direct = "registryProxy names no proxy of " + host
			}
			if s.wish.Version != "" || version == "" {
				version = ":<as the chart says>"
			}
			out = append(out, Image{Service: s.release, Image: full + version, Source: source(s), PulledAs: pulled + version, Direct: direct})
		}
	}
	return out, nil
}

// instancesOf returns all services and components of a blueprint's repo, and a renderer that
// knows them but renders nothing.
func instancesOf(b *blueprint.Blueprint) (*renderer, []*instance, error) {
	c, err := catalogue.Load()
	if err != nil {
		return nil, nil, err
	}
	names, err := Services(b)
	if err != nil {
		return nil, nil, err
	}
	r := &renderer{blueprint: b, catalogue: c}
	var all []*instance
	for _, name := range names {
		all = append(all, r.instances(name)...)
	}
	return r, all, nil
}

// Notes returns what the author of a blueprint should know: which versions the
// catalogue was not made with.
func Notes(b *blueprint.Blueprint) []string {
	c, err := catalogue.Load()
	if err != nil {
		return nil // rendering reports the error
	}
	var out []string
	if one := b.RegistryProxy[blueprint.AnyRegistry]; one != "" {
		out = append(out, fmt.Sprintf("registryProxy is one project for all registries, and a proxy project of Harbor serves one: write registryProxy: {docker.io: %s, quay.io: …}, a project for each registry", one))
	}
	out = append(out, proxyNotes(b)...)
	if b.Services["vault"] != nil && !b.OwnAuthority() {
		out = append(out, fmt.Sprintf("issuer %s is your own, and is not made here (before, it was made of Vault); for the one that Vault signs with, write issuer: %s", b.Issuer, blueprint.VaultIssuer))
	}
	if len(b.RegistryProxies) > 0 {
		out = append(out, "registryProxies is the older way: write its entries under registryProxy")
	}
	if (&renderer{blueprint: b, catalogue: c}).ownProxy() {
		out = append(out, "images come through the Harbor that this repo installs: cert-manager, contour and Harbor itself are pulled directly, the others wait for Harbor, and for its proxy projects: docs/registry-proxy.md")
	}
	for _, s := range c.Services {
		wish := b.Services[s.Name]
		if wish == nil || wish.Version == "" {
			continue
		}
		own := &instance{entry: s, wish: &blueprint.Service{}}
		if asked := source(&instance{entry: s, wish: wish}); asked != source(own) {
			out = append(out, fmt.Sprintf("%s is not what the catalogue was made with (%s): whether it exists, and takes the same values, a rehearsal with stand-ins can't tell", asked, source(own)))
		}
	}
	return out
}

func source(s *instance) string {
	if p := s.entry.Package; p != nil {
		return fmt.Sprintf("package %s %s", p.RefName, cmp.Or(s.wish.Version, p.Version))
	}
	return fmt.Sprintf("chart %s %s", s.entry.Chart.Name, cmp.Or(s.wish.Version, s.entry.Chart.Version))
}
