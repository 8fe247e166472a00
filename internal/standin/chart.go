package standin

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"path"
	"slices"

	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/catalogue"
)

// chartTemplates make a chart's objects of its description, and put in what is expected of them.
//
//go:embed all:chart
var chartTemplates embed.FS

// description is the part of a stand-in.yaml that is read here. The rest is a template,
// which Helm executes.
type description struct {
	// Values are the chart's defaults for what the description refers to.
	Values map[string]any `json:"values"`
	// CRDs are the kinds that the chart installs: group/version/Kind, with /Cluster behind it for one
	// whose objects are in no namespace.
	CRDs []string `json:"crds"`
}

// PackChart makes the archive of a stand-in for a service's chart, with the given version. It brings the
// description's kinds, and more. expected is what is taken for granted of its releases, by namespace/name: of its Objects and
// Patched only, as the description has the rest; nil if nothing is.
func PackChart(s *catalogue.Service, version string, expected map[string]Expected, more ...Kind) ([]byte, error) {
	text, err := s.File("stand-in.yaml")
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	if err := described(files, text, more); err != nil {
		return nil, fmt.Errorf("stand-in of %s: %w", s.Name, err)
	}
	if err := expect(files, expected); err != nil {
		return nil, fmt.Errorf("stand-in of %s: %w", s.Name, err)
	}
	return pack(files, s.Chart.Name, version)
}

// described adds to a chart's files those that a description of it comes to.
func described(files map[string][]byte, text []byte, more []Kind) error {
	var d description
	if err := yaml.Unmarshal(text, &d); err != nil {
		return err
	}
	if err := templates(files, chartTemplates, "chart", "templates"); err != nil {
		return err
	}
	files["stand-in.yaml"] = text
	var err error
	if files["values.yaml"], err = yaml.Marshal(defaults(string(text), d)); err != nil {
		return err
	}
	kinds := slices.Clone(more)
	for _, entry := range d.CRDs {
		kind, err := ParseKind(entry)
		if err != nil {
			return err
		}
		// If the group is taken to exist (package prerequisite), its kinds do in the versions that the repo uses of any, and
		// no CRD may lose the one that is stored.
		for _, k := range more {
			if k.Group == kind.Group {
				kinds = append(kinds, Kind{Group: kind.Group, Kind: kind.Kind, Versions: k.Versions, Cluster: kind.Cluster})
			}
		}
		kinds = append(kinds, kind)
	}
	return addKinds(files, kinds)
}

// pack makes the archive of a chart.
func pack(files map[string][]byte, name, version string) ([]byte, error) {
	var err error
	if files["Chart.yaml"], err = chartMeta(name, version); err != nil {
		return nil, err
	}
	inChart := map[string][]byte{}
	for file, b := range files {
		inChart[path.Join(name, file)] = b
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

func chartMeta(name, version string) ([]byte, error) {
	return yaml.Marshal(map[string]any{
		"apiVersion": "v2", "name": name, "version": version, "appVersion": "stand-in",
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
