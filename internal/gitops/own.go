package gitops

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// origin is the tree that a source has, if it stands for the repo itself or is made of it. If it is nil, why says
// what of the repo's own can't be known here; "" for a source of somebody else's.
func (r *Repo) origin(ref SourceRef) (t *Tree, why string) {
	if r.resolving[ref] {
		return nil, ref.Identity() + " is made of itself"
	}
	if r.resolving == nil {
		r.resolving = map[SourceRef]bool{}
	}
	r.resolving[ref] = true
	defer delete(r.resolving, ref)
	if ref.Kind == externalArtifact {
		return r.composed(ref)
	}
	if r.memory == nil || !r.own(ref) {
		return nil, ""
	}
	spec := r.sourceSpec(ref)
	v := r.view(nested(spec, "ignore"))
	if dirs, _ := spec["sparseCheckout"].([]any); len(dirs) > 0 {
		whole := v
		v = r.empty()
		for _, dir := range texts(dirs) {
			whole.copyInto(v, path.Join(clean(dir), "**"), clean(dir)+"/", nil)
		}
	}
	for _, include := range mappings(spec["include"]) {
		from, why := r.origin(SourceRef{ref.Kind, ref.Namespace, nested(include, "repository", "name")})
		if from == nil {
			return nil, strings.TrimSuffix("it includes another source, "+nested(include, "repository", "name")+": "+why, ": ")
		}
		whole := v
		v = r.empty()
		whole.copyInto(v, "**", "", nil)
		name, dir := clean(nested(include, "toPath")), clean(nested(include, "fromPath"))
		if name == "" {
			name = nested(include, "repository", "name")
		}
		from.copyInto(v, path.Join(dir, "**"), name+"/", nil)
	}
	return v, ""
}

// Stands says whether a source stands for the repo itself, or for a part of it.
func (r *Repo) Stands(ref SourceRef) bool {
	t, _ := r.origin(ref)
	return t != nil
}

// own says whether a source stands for the repo itself: what Flux is bootstrapped with, what is declared to, and
// what has the repo's address.
func (r *Repo) own(ref SourceRef) bool {
	if ref == r.Source || slices.Contains(r.Own, ref) {
		return true
	}
	spec := r.sourceSpec(ref)
	if ref == RootArtifact && spec == nil {
		return true // whoever bootstraps makes it
	}
	if ref.Kind != RootSource.Kind && ref.Kind != r.Source.Kind && ref != RootArtifact {
		return false
	}
	address := nested(spec, "url")
	return address != "" && slices.ContainsFunc(r.addresses(), func(own string) bool { return SameRepository(own, address) })
}

// addresses are the repo's own.
func (r *Repo) addresses() []string {
	out := slices.Clone(r.URLs)
	if u := nested(r.sourceSpec(r.Source), "url"); u != "" {
		out = append(out, u)
	}
	if r.URL != "" {
		out = append(out, r.URL)
	}
	return out
}

// sourceSpec is the spec of a source: as a layer applies it or, while that is not known, as a document says.
func (r *Repo) sourceSpec(ref SourceRef) map[string]any {
	if o := r.built[ref.Identity()]; o != nil {
		spec, _, _ := unstructured.NestedMap(o.Object, "spec")
		return spec
	}
	dir := r.Path
	if d := r.sourceDocument(ref, dir); d != nil && (d.namespace() == "" || d.namespace() == ref.Namespace) {
		spec, _ := d.value("spec").(map[string]any)
		return spec
	}
	return nil
}

// Addresses are the URLs of the repo's own sources, as they write them, each once.
func (r *Repo) Addresses() []string {
	var out []string
	if r.URL != "" {
		out = append(out, r.URL)
	}
	for _, s := range r.sources {
		if r.own(s.Ref()) && !slices.Contains(out, s.URL) {
			out = append(out, s.URL)
		}
	}
	return out
}

// OtherRefs are the repo's own sources that follow something else than the branch that the cluster does, as
// Kind/namespace/name at ref.
func (r *Repo) OtherRefs() []string {
	var out []string
	for _, s := range r.sources {
		if s.Ref() == r.Source || !r.own(s.Ref()) {
			continue
		}
		ref, _, _ := unstructured.NestedStringMap(s.Object.Object, "spec", "ref")
		branch := ref["branch"]
		delete(ref, "branch")
		if len(ref) > 0 || branch != "" && r.Branch != "" && branch != r.Branch {
			out = append(out, fmt.Sprintf("%s at %s", s.Ref().Identity(), strings.Trim(strings.TrimPrefix(fmt.Sprint(ref), "map"), "[]")+branch))
		}
	}
	return out
}

// scp matches the addresses that ssh's copy command takes, as Git does: user@host:path.
var scp = regexp.MustCompile(`^([\w.-]+@)?([\w.-]+):([^/].*)$`)

// SameRepository says whether two addresses are of the same repository, whatever protocol, user and port
// it is reached by, with or without .git.
func SameRepository(a, b string) bool {
	return a != "" && repositoryOf(a) == repositoryOf(b)
}

func repositoryOf(address string) string {
	if m := scp.FindStringSubmatch(address); m != nil && !strings.Contains(address, "://") {
		address = "ssh://" + m[2] + "/" + m[3]
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	return strings.ToLower(u.Hostname() + strings.TrimSuffix(strings.TrimRight(u.Path, "/"), ".git"))
}
