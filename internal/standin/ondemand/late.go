package ondemand

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/gitops"
)

// Late are the HelmRepositories among a cluster's objects whose index was fetched before anything asked for a chart that one
// of the objects asks for now: the stand-in comes with the next index. Each is named once for a chart and version.
func (m *Maker) Late(objects []*unstructured.Unstructured) []gitops.Ref {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []gitops.Ref
	wants, _ := asked(objects)
	for _, w := range wants {
		at := w.kind + " " + gitops.CanonicalURL(w.url)
		if w.kind != gitops.HelmRepositoryKind.Kind || strings.HasPrefix(w.url, "oci://") || m.served[at] == nil || m.late[w] || m.misspelt(w) != "" || m.Real(w.url) {
			continue
		}
		version := m.version(w, "")
		if _, there := m.made[w.key()][version]; there || version == "" {
			continue
		}
		m.late[w] = true
		for _, u := range objects {
			if u.GroupVersionKind().GroupKind() == gitops.HelmRepositoryKind && gitops.SameURL(text(u, "spec", "url"), w.url) {
				out = append(out, gitops.Ref{Namespace: u.GetNamespace(), Name: u.GetName()})
			}
		}
	}
	return out
}
