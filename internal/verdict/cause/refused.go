package cause

import (
	"regexp"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// dryRun is how kustomize-controller names an object that the API server does not take.
var dryRun = regexp.MustCompile(`(?m)^\s*([A-Z]\w+)/(\S+?) dry-run failed`)

// refusedObject starts a finding about the object that the API server refuses.
func (f Failure) refusedObject() (out finding.Finding, namespace string, found bool) {
	m := dryRun.FindStringSubmatch(f.Message)
	if m == nil || !f.isLayer() || f.reason() == "HealthCheckFailed" {
		return out, "", false
	}
	kind, name := m[1], m[2]
	if i := strings.IndexByte(name, '/'); i >= 0 {
		namespace, name = name[:i], name[i+1:]
	}
	out = f.finding(finding.ApplyFailed)
	out.Object = gitops.Identity(kind, namespace, name)
	Locate(&out, f.Layer, func(o *gitops.Object) bool {
		return o.GetKind() == kind && o.GetName() == name && o.GetNamespace() == namespace
	})
	return out, namespace, true
}

// refused: the API server refuses an object for any other reason.
func refused(f Failure) ([]finding.Finding, bool) {
	out, _, found := f.refusedObject()
	if !found {
		return nil, false
	}
	out.Message, out.Fix = "the API server refuses the object", "mend what the API server says"
	return one(out)
}
