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
}

// Images lists the images of a blueprint's services and of their components. Where the
// blueprint asks for another version than the catalogue's, the tags are not known.
func Images(b *blueprint.Blueprint) ([]Image, error) {
	c, err := catalogue.Load()
	if err != nil {
		return nil, err
	}
	names, err := Services(b)
	if err != nil {
		return nil, err
	}
	r := &renderer{blueprint: b, catalogue: c}
	var out []Image
	for _, name := range names {
		for _, s := range r.instances(name) {
			for _, image := range s.entry.Images {
				short, version := catalogue.SplitImage(image)
				host, repository := catalogue.Registry(short)
				full := host + "/" + repository
				pulled := full
				if p := Proxied(b, short); p != short {
					pulled = p
				}
				if s.wish.Version != "" || version == "" {
					version = "<as the chart says>"
				}
				out = append(out, Image{Service: s.release, Image: full + ":" + version, Source: source(s), PulledAs: pulled + ":" + version})
			}
		}
	}
	return out, nil
}

// Notes returns what the author of a blueprint should know: which versions the
// catalogue was not made with.
func Notes(b *blueprint.Blueprint) []string {
	c, err := catalogue.Load()
	if err != nil {
		return nil // rendering reports the error
	}
	var out []string
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
