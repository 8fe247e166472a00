package prerequisite

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"seatrial.dev/seatrial/internal/declaration"
	"seatrial.dev/seatrial/internal/gitops"
)

// Nodes are what pods ask of nodes, as far as the repo's files say so.
type Nodes struct {
	// Labels are on each node: those that are declared.
	Labels map[string]string
	// Sets are the labels that a pod asks a node for, each set once.
	Sets []map[string]string
	// Resources are the extended resources that pods ask for, and how many each node has.
	Resources map[string]string
	// Devices are the classes of devices that claims ask for and that no layer brings.
	Devices []string
}

// plenty is how many of an extended resource a node is taken to have, and mostSets how many sets of labels are followed.
const (
	plenty   = "1000"
	mostSets = 50
)

// own are labels that each node of a cluster has with values of its own.
var own = []string{"kubernetes.io/os", "kubernetes.io/arch", "beta.kubernetes.io/os", "beta.kubernetes.io/arch"}

// NodesOf finds what the pods of a repo's layers ask of nodes: in manifests, and in the values of releases.
func NodesOf(repo *gitops.Repo, declared declaration.Nodes) Nodes {
	n := Nodes{Labels: declared.Labels, Resources: map[string]string{}}
	for resource, quantity := range declared.Resources {
		n.Resources[resource] = string(quantity)
	}
	for _, l := range repo.Layers {
		for _, o := range l.Objects {
			if o.GetKind() != "CustomResourceDefinition" {
				n.walk(o.Object, 0)
			}
		}
	}
	n.Devices = slices.DeleteFunc(n.Devices, func(class string) bool {
		o, _ := repo.Applied(gitops.Identity("DeviceClass", "", class))
		return o != nil
	})
	return n
}

func (n *Nodes) walk(v any, depth int) {
	if depth > 40 {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		n.pod(v)
		for _, key := range slices.Sorted(maps.Keys(v)) {
			n.field(key, v[key])
			n.walk(v[key], depth+1)
		}
	case []any:
		for _, inner := range v {
			n.walk(inner, depth+1)
		}
	}
}

// pod takes up the labels that a pod's spec asks a node for, all at once: its selector and the first term of its affinity that
// can be had.
func (n *Nodes) pod(spec map[string]any) {
	set := map[string]string{}
	selector, _ := spec["nodeSelector"].(map[string]any)
	for label, value := range selector {
		add(set, label, fmt.Sprint(value))
	}
	affinity, _ := spec["affinity"].(map[string]any)
	node, _ := affinity["nodeAffinity"].(map[string]any)
	required, _ := node["requiredDuringSchedulingIgnoredDuringExecution"].(map[string]any)
	terms, _ := required["nodeSelectorTerms"].([]any)
	if len(terms) > 0 {
		term, _ := terms[0].(map[string]any)
		expressions, _ := term["matchExpressions"].([]any)
		for _, e := range expressions {
			m, _ := e.(map[string]any)
			label, _ := m["key"].(string)
			values, _ := m["values"].([]any)
			switch {
			case m["operator"] == "In" && len(values) > 0:
				add(set, label, fmt.Sprint(values[0]))
			case m["operator"] == "Exists":
				add(set, label, "")
			}
		}
	}
	if len(set) > 0 && len(n.Sets) < mostSets && !slices.ContainsFunc(n.Sets, func(o map[string]string) bool { return maps.Equal(o, set) }) {
		n.Sets = append(n.Sets, set)
	}
}

// add adds a label that a node can have.
func add(set map[string]string, label, value string) {
	if len(validation.IsQualifiedName(label)) == 0 && len(validation.IsValidLabelValue(value)) == 0 && !slices.Contains(own, label) {
		set[label] = value
	}
}

// field takes up what one field asks for.
func (n *Nodes) field(key string, v any) {
	switch key {
	case "deviceClassName":
		if class, _ := v.(string); len(validation.IsDNS1123Subdomain(class)) == 0 && !slices.Contains(n.Devices, class) {
			n.Devices = append(n.Devices, class)
		}
	case "requests", "limits":
		m, _ := v.(map[string]any)
		for resource := range m {
			domain, _, extended := strings.Cut(resource, "/")
			if extended && strings.Contains(domain, ".") && !strings.HasSuffix(domain, "kubernetes.io") && len(validation.IsQualifiedName(resource)) == 0 {
				n.Resources[resource] = cmp.Or(n.Resources[resource], plenty)
			}
		}
	}
}

// assumptions say what nodes are taken to have.
func (n Nodes) assumptions() []Assumption {
	var out []Assumption
	for _, set := range n.Sets {
		var labels []string
		for _, label := range slices.Sorted(maps.Keys(set)) {
			labels = append(labels, label+"="+set[label])
		}
		out = append(out, Assumption{What: "a node with " + strings.Join(labels, ", "), Why: "pods select nodes by that", Node: true})
	}
	for _, resource := range slices.Sorted(maps.Keys(n.Resources)) {
		out = append(out, Assumption{What: "node resource " + resource, Why: "pods ask for it", Node: true})
	}
	for _, class := range n.Devices {
		out = append(out, Assumption{What: "devices of class " + class, Why: "claims ask for them", Node: true})
	}
	return out
}
