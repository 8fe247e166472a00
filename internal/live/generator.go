package live

import (
	"cmp"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/gitops"
)

// ExternalArtifact is the one that a Kustomization takes its manifests from; false if it takes
// them from another kind of source.
func ExternalArtifact(kustomization *unstructured.Unstructured) (Ref, bool) {
	source, _, _ := unstructured.NestedStringMap(kustomization.Object, "spec", "sourceRef")
	return Ref{gitops.ExternalArtifactKind, cmp.Or(source["namespace"], kustomization.GetNamespace()), source["name"]},
		source["kind"] == gitops.ExternalArtifactKind.Kind
}

// Revision is that of a source's artifact, or "" if it has none.
func Revision(source *unstructured.Unstructured) string {
	s, _, _ := unstructured.NestedString(source.Object, "status", "artifact", "revision")
	return s
}

// placeholder stands, in the name of an artifact, for what spec.pathPattern finds in the source.
var placeholder = regexp.MustCompile(`\\\{[^{}]*\\\}`)

// Makes says whether an ArtifactGenerator is to make an ExternalArtifact. Its artifacts are all in its
// own namespace.
func Makes(generator *unstructured.Unstructured, artifact Ref) bool {
	if generator.GetNamespace() != artifact.Namespace {
		return false
	}
	artifacts, _, _ := unstructured.NestedSlice(generator.Object, "spec", "artifacts")
	for _, e := range artifacts {
		m, _ := e.(map[string]any)
		name, _ := m["name"].(string)
		if name == artifact.Name {
			return true
		}
		if !strings.Contains(name, "{") {
			continue
		}
		pattern, err := regexp.Compile("^" + placeholder.ReplaceAllString(regexp.QuoteMeta(name), ".+") + "$")
		if err == nil && pattern.MatchString(artifact.Name) { // it fails only on a name that is longer than any can be
			return true
		}
	}
	return false
}
