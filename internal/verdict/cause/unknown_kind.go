package cause

import (
	"fmt"
	"regexp"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// noMatch matches client-go's error for a kind that the API server does not serve.
var noMatch = regexp.MustCompile(`no matches for kind "([^"]+)" in version "([^"]+)"`)

// unservedKind starts a finding about the object whose kind nothing serves.
func (f Failure) unservedKind(code finding.Code) (out finding.Finding, kind, apiVersion string, found bool) {
	m := noMatch.FindStringSubmatch(f.Message)
	if m == nil || !f.isLayer() {
		return out, "", "", false
	}
	out = f.finding(code)
	Locate(&out, f.Layer, func(o *gitops.Object) bool { return o.GetKind() == m[1] && o.GetAPIVersion() == m[2] })
	return out, m[1], m[2], true
}

// unknownKind: nothing serves an object's kind, and nothing is known to install it.
func unknownKind(f Failure) ([]finding.Finding, bool) {
	out, kind, apiVersion, found := f.unservedKind(finding.UnknownKind)
	if !found {
		return nil, false
	}
	out.Message = fmt.Sprintf("nothing in the cluster serves %s %s", apiVersion, kind)
	out.Fix = "install its CRD in an earlier layer and depend on that"
	if kind == gitops.ArtifactGeneratorKind.Kind && group(apiVersion) == gitops.ArtifactGeneratorKind.Group {
		out.Fix = fixWithoutSourceWatcher
	}
	return one(out)
}

// group is the API group of an apiVersion.
func group(apiVersion string) string {
	g, _, _ := strings.Cut(apiVersion, "/")
	return g
}
