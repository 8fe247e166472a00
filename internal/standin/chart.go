package standin

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"path"
	"strings"

	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/catalogue"
)

//go:embed chart/stand-in.yaml
var chartTemplate []byte

// description is the part of a stand-in.yaml that is read here. The rest is a template,
// which Helm executes.
type description struct {
	// Values are the chart's defaults for what the description refers to.
	Values map[string]any `json:"values"`
	// CRDs are the kinds that the chart installs: group/version/Kind.
	CRDs []string `json:"crds"`
}

// PackChart makes the archive of a stand-in for a service's chart, with the given version.
func PackChart(s *catalogue.Service, version string) ([]byte, error) {
	text, err := s.File("stand-in.yaml")
	if err != nil {
		return nil, err
	}
	var d description
	if err := yaml.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("stand-in of %s: %w", s.Name, err)
	}
	meta, err := chartMeta(s, version)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"Chart.yaml": meta, "stand-in.yaml": text, "templates/stand-in.yaml": chartTemplate}
	if files["values.yaml"], err = yaml.Marshal(defaults(string(text), d)); err != nil {
		return nil, err
	}
	for i, kind := range d.CRDs {
		if files[fmt.Sprintf("crds/%d.yaml", i)], err = crd(kind); err != nil {
			return nil, err
		}
	}
	inChart := map[string][]byte{}
	for name, b := range files {
		inChart[path.Join(s.Chart.Name, name)] = b
	}
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	if err := writeTar(gz, inChart); err != nil {
		return nil, err
	}
	if err := gz.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func chartMeta(s *catalogue.Service, version string) ([]byte, error) {
	return yaml.Marshal(map[string]any{
		"apiVersion": "v2", "name": s.Chart.Name, "version": version, "appVersion": "stand-in",
		"description": "Stand-in for a rehearsal: the same workloads, Services, Secrets and kinds.",
	})
}

// defaults returns default values in which every value exists that the description
// refers to, so that a HelmRelease that leaves it out renders, as with the real chart.
func defaults(text string, d description) map[string]any {
	out := d.Values
	if out == nil {
		out = map[string]any{}
	}
	for _, keys := range catalogue.ValuePaths(text) {
		at := out
		for i, key := range keys {
			if i == len(keys)-1 {
				if _, set := at[key]; !set {
					at[key] = nil
				}
				break
			}
			next, ok := at[key].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[key] = next
			}
			at = next
		}
	}
	return out
}

// crd returns a CRD that accepts any content: only upstream has the real schema.
func crd(kind string) ([]byte, error) {
	parts := strings.Split(kind, "/")
	if len(parts) != 3 {
		return nil, fmt.Errorf("crd %q: want group/version/Kind", kind)
	}
	singular := strings.ToLower(parts[2])
	plural := singular + "s"
	if strings.HasSuffix(singular, "s") {
		plural = singular + "es"
	}
	return yaml.Marshal(map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": plural + "." + parts[0]},
		"spec": map[string]any{
			"group": parts[0], "scope": "Namespaced",
			"names": map[string]any{"kind": parts[2], "listKind": parts[2] + "List", "plural": plural, "singular": singular},
			"versions": []any{map[string]any{
				"name": parts[1], "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
			}},
		},
	})
}
