package standin

import (
	_ "embed"
	"maps"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"
)

// Expected is what a repo takes for granted of a release.
type Expected struct {
	// Services are what routes lead to: names, and ports by number or name.
	Services map[string][]string `json:"services,omitempty"`
	// Workloads are what health checks wait for and patches change, as Kind/name.
	Workloads []string `json:"workloads,omitempty"`
	// Taken are names, as Kind/name, of objects that the repo itself has.
	Taken []string `json:"taken,omitempty"`
	// Objects are others of these (see Least). Those whose kind the API does not have are left out.
	Objects []map[string]any `json:"objects,omitempty"`
	// Patched is what the release's own patches find in its objects.
	Patched []Patched `json:"patched,omitempty"`
}

// Patched is what a patch takes for granted of the objects that it changes.
type Patched struct {
	// Kind and Name are those of the objects, as regular expressions for the whole of each.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Has is the part of an object that has to be there. In a list, an element with a $name is the one of that name, and any
	// other the one at its index.
	Has map[string]any `json:"has"`
}

// expect adds to a chart's files what is expected of its releases, by namespace/name.
func expect(files map[string][]byte, expected map[string]Expected) error {
	if len(expected) == 0 {
		return nil
	}
	var err error
	files["expected.yaml"], err = yaml.Marshal(expected)
	return err
}

//go:embed least.yaml
var leastFile []byte

// leastOf is the least content of Kubernetes' own kinds. It is embedded, so that an unreadable one is a defect, which
// a test finds.
var leastOf = sync.OnceValue(func() map[string]map[string]any {
	var out map[string]map[string]any
	if err := yaml.Unmarshal(leastFile, &out); err != nil {
		panic(err)
	}
	return out
})

// Least is the least that an object can be. apiVersion may be "": then it is that of the first kind of this name that
// the API has. namespace is "" for the release's own.
func Least(apiVersion, kind, namespace, name string) map[string]any {
	out := map[string]any{}
	if known := leastOf()[kind]; known != nil && (apiVersion == "" || group(apiVersion) == group(known["apiVersion"].(string))) {
		maps.Copy(out, known)
	} else {
		out["spec"] = map[string]any{}
	}
	if apiVersion != "" {
		out["apiVersion"] = apiVersion
	}
	metadata := map[string]any{"name": name}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	out["kind"], out["metadata"] = kind, metadata
	return out
}

// group is the group of an apiVersion.
func group(apiVersion string) string {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		return ""
	}
	return group
}
