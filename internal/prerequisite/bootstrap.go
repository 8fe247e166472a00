package prerequisite

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/kinds"
)

// bootstrap reads what the repo's bootstrap step makes before Flux: the releases of helmfiles, and the
// manifests below folders of that name.
func (f *finder) bootstrap() {
	applied := map[string]bool{}
	for _, l := range f.repo.Layers {
		for _, o := range l.Objects {
			applied[o.File] = true
		}
	}
	for _, d := range slices.Concat(f.repo.Documents(), f.repo.Templates()) {
		if early := bootstraps(d.File); applied[d.File] || !early && !strings.Contains(d.File, "helmfile") || !f.ours(d.File) {
			continue
		}
		if d.GroupKind().Kind == "" {
			f.helmfile(d)
		} else if bootstraps(d.File) {
			f.manifest(d)
		}
	}
}

// bootstraps says whether a file lies in a folder for the bootstrap step.
func bootstraps(file string) bool {
	return slices.ContainsFunc(strings.Split(path.Dir(file), "/"), func(part string) bool { return strings.Contains(part, "bootstrap") })
}

// ours says whether a file may be about this cluster: in a repo of several, one in another cluster's
// folder is not.
func (f *finder) ours(file string) bool {
	dir := path.Dir(file)
	if is, known := f.near[dir]; known {
		return is
	}
	best := -1
	for _, c := range f.repo.Clusters() {
		best = max(best, common(dir, c.Path))
	}
	f.near[dir] = common(dir, f.repo.Path) >= best
	return f.near[dir]
}

// common counts the folders that two paths begin with.
func common(a, b string) int {
	x, y := strings.Split(a, "/"), strings.Split(b, "/")
	n := 0
	for n < len(x) && n < len(y) && x[n] == y[n] {
		n++
	}
	return n
}

// crd matches how a helmfile's hooks wait for a kind.
var crd = regexp.MustCompile(`\bcrd/[a-z0-9-]+\.([a-z0-9.-]+)`)

// helmfile reads the releases of a helmfile: their namespaces exist, and the kinds that their charts bring.
func (f *finder) helmfile(d gitops.Document) {
	releases, _ := d.Content["releases"].([]any)
	for _, entry := range releases {
		m, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		name, _ := m["name"].(string)
		chart, _ := m["chart"].(string)
		if chart == "" && d.Content["bases"] == nil && d.Content["templates"] == nil && d.Content["defaultInherit"] == nil && m["inherit"] == nil {
			continue // no helmfile's release
		}
		if name == "" || m["installed"] == false {
			continue
		}
		a := Assumption{What: "Helm release " + name, Why: fmt.Sprintf("%s installs it before Flux", d.File), File: d.File, Line: d.Line}
		groups, known := kinds.Known(chart)
		if !known || chart == "" || strings.Contains(chart, "{") {
			groups, _ = kinds.Known(name)
		}
		a.Groups = groups
		for _, group := range crd.FindAllStringSubmatch(fmt.Sprint(m["hooks"]), -1) {
			a.Groups = append(a.Groups, group[1])
		}
		slices.Sort(a.Groups)
		a.Groups = slices.Compact(a.Groups)
		if ns, _ := m["namespace"].(string); ns != "" && !strings.Contains(ns, "{") && !f.made["Namespace/"+ns] {
			f.made["Namespace/"+ns] = true
			a.Objects = append(a.Objects, object("Namespace", "", ns, nil))
		}
		f.out = append(f.out, a)
	}
}

// kept are the kinds of a bootstrap folder's manifests that are made as they are.
var kept = []string{"Namespace", "CustomResourceDefinition", "StorageClass", "PriorityClass", "RuntimeClass", "IngressClass", "ConfigMap", "Secret"}

// manifest has an object of a bootstrap folder exist: values of Secrets, and what a template leaves open,
// with placeholders.
func (f *finder) manifest(d gitops.Document) {
	gk := d.GroupKind()
	if !slices.Contains(kept, gk.Kind) || len(validation.IsDNS1123Subdomain(d.Name())) > 0 || d.Namespace() != "" && len(validation.IsDNS1123Label(d.Namespace())) > 0 {
		return
	}
	u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(gitops.JSON(d.Content))}
	if gk.Kind == "Secret" {
		data := map[string]string{}
		for _, section := range []string{"data", "stringData"} {
			values, _ := d.Content[section].(map[string]any)
			for key := range values {
				data[key] = placeholder
			}
		}
		u = object("Secret", d.Namespace(), d.Name(), data)
	}
	if gk.Kind != "Namespace" && gk.Kind != "CustomResourceDefinition" && u.GetNamespace() == "" && (gk.Kind == "Secret" || gk.Kind == "ConfigMap") {
		u.SetNamespace(gitops.FluxNamespace)
	}
	identity := gitops.Identity(gk.Kind, u.GetNamespace(), u.GetName())
	key := slices.ContainsFunc(f.repo.Layers, func(l *gitops.Layer) bool {
		return gk.Kind == "Secret" && l.DecryptionSecret == gitops.Ref{Namespace: u.GetNamespace(), Name: u.GetName()}
	})
	if f.made[identity] || key { // the key is given by whoever rehearses, or made
		return
	}
	f.made[identity] = true
	a := Assumption{What: identity, Why: d.File + " makes it before Flux", File: d.File, Line: d.Line, Objects: []*unstructured.Unstructured{u}}
	if group, _, _ := unstructured.NestedString(d.Content, "spec", "group"); gk.Kind == "CustomResourceDefinition" && group != "" {
		a.Groups = []string{group}
	}
	f.out = append(f.out, a)
}
