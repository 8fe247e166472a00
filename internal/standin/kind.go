package standin

import (
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/kinds"
)

// Kind is a kind that a chart brings.
type Kind struct {
	Group, Kind string
	// Versions are all that are served; the last one is stored.
	Versions []string
	// Cluster says that its objects are in no namespace.
	Cluster bool
}

// String is Kind.group.
func (k Kind) String() string { return k.Kind + "." + k.Group }

// ParseKind reads group/version/Kind or group/version/Kind/Cluster.
func ParseKind(s string) (Kind, error) {
	parts := strings.Split(s, "/")
	if len(parts) < 3 || len(parts) > 4 || slices.Contains(parts, "") || len(parts) == 4 && parts[3] != "Cluster" {
		return Kind{}, fmt.Errorf("crd %q: want group/version/Kind, or group/version/Kind/Cluster", s)
	}
	return Kind{Group: parts[0], Versions: []string{parts[1]}, Kind: parts[2], Cluster: len(parts) == 4}, nil
}

// merged are kinds, each once, with the versions of all entries for it. What an earlier entry says of its scope
// and plural holds.
func merged(all []Kind) []Kind {
	var out []Kind
	for _, k := range all {
		i := slices.IndexFunc(out, func(o Kind) bool { return o.Group == k.Group && o.Kind == k.Kind })
		if i < 0 {
			k.Versions = slices.Clone(k.Versions)
			out = append(out, k)
			continue
		}
		for _, v := range k.Versions {
			if !slices.Contains(out[i].Versions, v) {
				out[i].Versions = append(out[i].Versions, v)
			}
		}
	}
	return out
}

// addKinds adds CRDs to a chart's files. They are in crds/, so that a release decides as with the
// real chart whether they are installed, and Helm leaves those alone that exist.
func addKinds(files map[string][]byte, all []Kind) error {
	for _, k := range merged(all) {
		b, err := yaml.Marshal(CRD(k))
		if err != nil {
			return err
		}
		files["crds/"+strings.ToLower(k.Kind)+"."+k.Group+".yaml"] = b
	}
	return nil
}

// CRD returns a CRD that accepts any content: only upstream has the real schema.
func CRD(k Kind) map[string]any {
	versions := slices.Clone(k.Versions)
	slices.Reverse(versions)
	return kinds.Definition(k.Group, k.Kind, !k.Cluster, versions[0], versions[1:]...).Object
}
