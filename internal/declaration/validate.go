package declaration

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/strict"
)

// MaxEntries is how many entries a list of the file may have.
const MaxEntries = 500

var (
	title    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	kindName = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,62}$`)
	// object is Kind/name or Kind/namespace/name, with asterisks. Names of RBAC objects may have colons.
	object = regexp.MustCompile(`^[A-Za-z0-9*]+(/[A-Za-z0-9.:_*-]+){1,2}$`)
)

// Look says what is at a path of the tree, which is clean and has slashes: its type, and false if there is
// nothing. It does not follow symbolic links.
type Look func(name string) (fs.FileMode, bool)

// In looks into a file system.
func In(tree fs.FS) Look {
	return func(name string) (fs.FileMode, bool) {
		info, err := fs.Lstat(tree, name)
		if err != nil {
			return 0, false // what can't be looked at is not there for Flux either
		}
		return info.Mode().Type(), true
	}
}

// tidy removes what people write around a path and Flux does not mind: ./clusters/a/.
func tidy(p string) string {
	if t := strings.TrimSuffix(strings.TrimPrefix(p, "./"), "/"); t != "" || p == "" {
		return t
	}
	return "."
}

func at(path string, i int) string { return fmt.Sprintf("%s.%d", path, i) }

// Complete fills in the defaults and tells r what is wrong. look finds the paths that are named; nil leaves it
// open whether they are there.
func (d *Declaration) Complete(r *strict.Reader, look Look) {
	for list, n := range map[string]int{
		"clusters": len(d.Clusters), "sources": len(d.Sources), "accept": len(d.Accept), "prerequisites.manifests": len(d.Prerequisites.Manifests),
		"prerequisites.kinds": len(d.Prerequisites.Kinds), "prerequisites.nodes.labels": len(d.Prerequisites.Nodes.Labels), "prerequisites.nodes.resources": len(d.Prerequisites.Nodes.Resources),
	} {
		if n > MaxEntries {
			r.At(list, fmt.Sprintf("it has %d entries, and no more than %d are read", n, MaxEntries), "name folders in place of files, and objects by patterns")
			return
		}
	}
	d.fill(r)
	d.clusters(r, look)
	for i, m := range d.Prerequisites.Manifests {
		where := at("prerequisites.manifests", i)
		if !inside(r, where, m, "a file or folder of the repo, such as bootstrap/crds.yaml") || look == nil {
			continue
		}
		if kind, ok := find(r, where, m, look); ok && !kind.IsDir() && !slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(m)) {
			r.At(where, m+" is no manifest", "name a .yaml, .yml or .json file, or a folder with such")
		}
	}
	d.kinds(r)
	d.nodes(r)
	d.sources(r)
	if d.PackagingGlobalNamespace != "" || r.Written("packagingGlobalNamespace") {
		label(r, "packagingGlobalNamespace", d.PackagingGlobalNamespace, "a namespace such as tkg-system")
	}
	if d.PodSecurity != "" || r.Written("podSecurity") {
		r.OneOf("podSecurity", d.PodSecurity, "privileged", "baseline", "restricted")
	}
	for i, a := range d.Accept {
		a.validate(r, at("accept", i))
	}
}

func (d *Declaration) clusters(r *strict.Reader, look Look) {
	paths, names := map[string]bool{}, map[string]bool{}
	for i, c := range d.Clusters {
		where := at("clusters", i)
		if !inside(r, where+".path", c.Path, "the folder that Flux is bootstrapped on, such as clusters/production") {
			continue
		}
		if c.Name != c.Path && !title.MatchString(c.Name) {
			r.At(where+".name", fmt.Sprintf("got %q", c.Name), "write a name of letters, digits, dots, dashes and underscores")
		}
		if paths[c.Path] {
			r.At(where+".path", c.Path+" is a cluster already", "keep one of them")
		} else if names[c.Name] {
			r.At(where+".name", c.Name+" is another cluster's name", "give one of them another name")
		}
		paths[c.Path], names[c.Name] = true, true
		if look == nil {
			continue
		}
		if kind, ok := find(r, where+".path", c.Path, look); ok && !kind.IsDir() {
			r.At(where+".path", c.Path+" is a file", "name the folder that it is in")
		}
	}
}

// inside says whether a path is written as one below the repo's top, and tells r if it is not.
func inside(r *strict.Reader, where, p, want string) bool {
	switch {
	case p == "":
		r.At(where, "missing", "write "+want)
	case strings.Contains(p, `\`):
		r.At(where, fmt.Sprintf("got %q", p), "write the path with slashes: "+want)
	case path.IsAbs(p) || p == ".." || strings.HasPrefix(p, "../"):
		r.At(where, p+" is outside of the repo", "write "+want)
	case !fs.ValidPath(p) || strings.ContainsFunc(p, func(c rune) bool { return c < ' ' }):
		r.At(where, fmt.Sprintf("got %q", p), "write it from the repo's top, without . and .. and empty parts: "+want)
	default:
		return true
	}
	return false
}

// find looks for a path in the tree, and tells r if it is not there or leads through a symbolic link.
func find(r *strict.Reader, where, p string, look Look) (fs.FileMode, bool) {
	var kind fs.FileMode
	for i := range len(p) + 1 {
		if i < len(p) && p[i] != '/' {
			continue
		}
		var there bool
		if kind, there = look(p[:i]); !there {
			r.At(where, p+" is not in the repo", "name what is there, from the repo's top; what Git ignores is not")
			return 0, false
		}
		if kind&fs.ModeSymlink != 0 {
			r.At(where, p[:i]+" is a symbolic link", "name what it leads to")
			return 0, false
		}
	}
	if !kind.IsDir() && !kind.IsRegular() {
		r.At(where, p+" is neither a file nor a folder", "name one that is")
		return 0, false
	}
	return kind, true
}

// guess is the plural that Kubernetes makes of a kind.
func guess(k Kind) string {
	plural, _ := meta.UnsafeGuessKindToResource(schema.GroupVersionKind{Kind: k.Kind})
	return plural.Resource
}

func (d *Declaration) kinds(r *strict.Reader) {
	said := map[string]bool{}
	for i, k := range d.Prerequisites.Kinds {
		where := at("prerequisites.kinds", i)
		group, version, _ := strings.Cut(k.APIVersion, "/")
		if !strings.Contains(group, ".") || len(validation.IsDNS1123Subdomain(group)) > 0 || len(validation.IsDNS1035Label(version)) > 0 {
			r.At(where+".apiVersion", fmt.Sprintf("got %q", k.APIVersion), "write group and version of a custom resource, such as monitoring.coreos.com/v1")
		}
		if !kindName.MatchString(k.Kind) {
			r.At(where+".kind", fmt.Sprintf("got %q", k.Kind), "write a kind such as ServiceMonitor")
		}
		r.OneOf(where+".scope", k.Scope, Namespaced, ClusterWide)
		if len(validation.IsDNS1035Label(k.Plural)) > 0 && r.Written(where+".plural") {
			r.At(where+".plural", fmt.Sprintf("got %q", k.Plural), "write it in lower case, such as servicemonitors")
		}
		if one := k.APIVersion + " " + k.Kind; said[one] {
			r.At(where, one+" is listed twice", "keep one of them")
		} else {
			said[one] = true
		}
	}
}

func (d *Declaration) nodes(r *strict.Reader) {
	nodes := d.Prerequisites.Nodes
	for _, key := range slices.Sorted(maps.Keys(nodes.Labels)) {
		where := "prerequisites.nodes.labels." + key
		if wrong := validation.IsQualifiedName(key); len(wrong) > 0 {
			r.At(where, "no label has that name", "write a name such as example.com/pool")
		} else if wrong := validation.IsValidLabelValue(nodes.Labels[key]); len(wrong) > 0 {
			r.At(where, fmt.Sprintf("got %q", nodes.Labels[key]), "write up to 63 letters, digits, dots, dashes and underscores")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(nodes.Resources)) {
		where, amount := "prerequisites.nodes.resources."+key, string(nodes.Resources[key])
		if wrong := validation.IsQualifiedName(key); len(wrong) > 0 {
			r.At(where, "no resource has that name", "write a name such as nvidia.com/gpu")
		} else if q, err := resource.ParseQuantity(amount); len(amount) > 32 || err != nil || q.Sign() <= 0 {
			r.At(where, fmt.Sprintf("got %q", amount), "write an amount such as 2, 500m or 16Gi")
		}
	}
}

func (d *Declaration) sources(r *strict.Reader) {
	said := map[Source]bool{}
	for i, s := range d.Sources {
		where := at("sources", i)
		r.OneOf(where+".kind", s.Kind, "GitRepository", "OCIRepository", "Bucket")
		label(r, where+".namespace", s.Namespace, "a namespace such as flux-system")
		if len(validation.IsDNS1123Subdomain(s.Name)) > 0 {
			r.At(where+".name", fmt.Sprintf("got %q", s.Name), "write the name of the "+s.Kind)
		}
		if said[s] {
			r.At(where, fmt.Sprintf("%s %s/%s is listed twice", s.Kind, s.Namespace, s.Name), "keep one of them")
		}
		said[s] = true
	}
}

func label(r *strict.Reader, where, value, want string) {
	if len(validation.IsDNS1123Label(value)) > 0 {
		r.At(where, fmt.Sprintf("got %q", value), "write "+want)
	}
}

func (a Acceptance) validate(r *strict.Reader, where string) {
	switch why := a.Code.Unacceptable(); {
	case why != "":
		r.At(where+".code", fmt.Sprintf("a %s can't be accepted: %s", a.Code, why), "remove the entry, and mend what is found")
	case !slices.Contains(finding.Codes(), a.Code):
		r.At(where+".code", fmt.Sprintf("got %q", a.Code), strict.Meant(string(a.Code), Acceptable()))
	}
	if len(a.Object) > 400 || !object.MatchString(a.Object) {
		r.At(where+".object", fmt.Sprintf("got %q", a.Object), "write the object as reports print it, such as HelmRelease/apps/web; * stands for any text without a slash")
	}
	if strings.TrimSpace(a.Reason) == "" {
		r.At(where+".reason", "missing", "write why it is put up with, for those who read the report")
	}
	if _, err := time.Parse(time.DateOnly, string(a.Until)); err != nil {
		r.At(where+".until", fmt.Sprintf("got %q", a.Until), "write the last day on which it is put up with, such as 2027-01-31")
	}
}
