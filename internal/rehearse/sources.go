package rehearse

import (
	"context"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/standin"
)

// sources are those that were fetched from where the repo says, at what they were then.
func (r *rehearsal) sources(ctx context.Context) ([]report.Source, error) {
	var out []report.Source
	for _, kind := range []string{"GitRepository", "OCIRepository", "HelmChart"} {
		m, err := r.cluster.Client().Mapping(schema.GroupKind{Group: gitops.SourceGroup, Kind: kind}, "")
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list, err := r.cluster.Client().Dynamic.Resource(m.Resource).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			u := &list.Items[i]
			s := report.Source{
				Kind: kind, Object: gitops.Ref{Namespace: u.GetNamespace(), Name: u.GetName()}.String(), URL: text(u, "spec", "url"),
				Tag: text(u, "spec", "ref", "tag"), Revision: text(u, "status", "artifact", "revision"),
			}
			if kind == "HelmChart" && !r.chart(ctx, u, &s) {
				continue
			}
			if s.Revision != "" && r.real(s.URL) {
				out = append(out, s)
			}
		}
	}
	packages, err := r.packageRepositories(ctx)
	return append(out, packages...), err
}

// packageRepositories are Carvel's that were fetched by a tag.
func (r *rehearsal) packageRepositories(ctx context.Context) ([]report.Source, error) {
	m, err := r.cluster.Client().Mapping(gitops.PackageRepositoryKind, "")
	if meta.IsNoMatchError(err) || r.door == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list, err := r.cluster.Client().Dynamic.Resource(m.Resource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var out []report.Source
	for i := range list.Items {
		u := &list.Items[i]
		image := text(u, "spec", "fetch", "imgpkgBundle", "image")
		tag, err := name.NewTag(image)
		if err != nil {
			continue // none, or one by its digest, which can't move
		}
		if digest := r.door.Manifest(tag); digest != "" {
			out = append(out, report.Source{
				Kind: u.GetKind(), Object: gitops.Ref{Namespace: u.GetNamespace(), Name: u.GetName()}.String(), URL: "oci://" + tag.Context().Name(),
				Tag: tag.TagStr(), Revision: tag.TagStr() + "@" + digest,
			})
		}
	}
	return out, nil
}

func text(u *unstructured.Unstructured, keys ...string) string {
	s, _, _ := unstructured.NestedString(u.Object, keys...)
	return s
}

// chart completes the record of a chart: which one of which repository, and the digest of its archive. It returns false
// for what is no chart of a Helm repository, and for one that source-controller has changed (values
// files, or a revision in its version).
func (r *rehearsal) chart(ctx context.Context, u *unstructured.Unstructured, s *report.Source) bool {
	version, name := s.Revision, text(u, "spec", "chart")
	if text(u, "spec", "sourceRef", "kind") != "HelmRepository" || version == "" || strings.Contains(version, "+") {
		return false
	}
	if files, _, _ := unstructured.NestedSlice(u.Object, "spec", "valuesFiles"); len(files) > 0 {
		return false
	}
	m, err := r.cluster.Client().Mapping(gitops.HelmRepositoryKind, "")
	if err != nil {
		return false
	}
	from, err := r.cluster.Client().Dynamic.Resource(m.Resource).Namespace(u.GetNamespace()).Get(ctx, text(u, "spec", "sourceRef", "name"), metav1.GetOptions{})
	if err != nil {
		return false // removed meanwhile
	}
	s.URL, s.Chart, s.Tag = text(from, "spec", "url"), name, version
	s.Revision = version + "@" + text(u, "status", "artifact", "digest")
	return true
}

// real says whether a source was reached at its own address.
func (r *rehearsal) real(url string) bool {
	if r.door != nil {
		return r.door.Real(url)
	}
	return url != r.remote.URL && !slices.ContainsFunc(r.served, func(s standin.Served) bool { return s.URL == url })
}
