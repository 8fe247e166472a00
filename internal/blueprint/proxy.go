package blueprint

import (
	"maps"
	"slices"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v3"
)

// RegistryProxy is where images are pulled through: a registry and project, without https://,
// by the host of the upstream registry.
type RegistryProxy map[string]string

// AnyRegistry is the key of a RegistryProxy that stands for all registries.
const AnyRegistry = ""

// UnmarshalYAML reads a mapping, or one text: the proxy of all registries.
func (p *RegistryProxy) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return n.Decode((*map[string]string)(p))
	}
	var all string
	if err := n.Decode(&all); err != nil || all == "" {
		return err
	}
	*p = RegistryProxy{AnyRegistry: all}
	return nil
}

// JSONSchema says that either form is allowed.
func (RegistryProxy) JSONSchema() *jsonschema.Schema {
	text := &jsonschema.Schema{Type: "string"}
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{text, {Type: "object", AdditionalProperties: text}}}
}

// Proxy returns the registry and project through which images of an upstream registry are
// pulled; empty if they are pulled from it directly.
func (b *Blueprint) Proxy(host string) string {
	for _, proxies := range []map[string]string{b.RegistryProxies, b.RegistryProxy} {
		if p := proxies[host]; p != "" {
			return p
		}
	}
	return b.RegistryProxy[AnyRegistry]
}

// Proxies are all registry proxies, each once, sorted.
func (b *Blueprint) Proxies() []string {
	all := slices.Concat(slices.Collect(maps.Values(b.RegistryProxy)), slices.Collect(maps.Values(b.RegistryProxies)))
	slices.Sort(all)
	return slices.Compact(all)
}
