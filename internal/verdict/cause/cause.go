// Package cause explains why an object failed. Each cause is a small file: it recognises
// the message that a controller writes, and says what to do about it. If a rule of
// internal/check can find the same without a cluster, the texts are a function in the
// cause's file, which both call.
//
// It is pure. A new cause is a file here, cases with the controller's real message in a table
// test, and an entry in causes. The order there matters: more specific causes come first.
package cause

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
)

// Failure is an object that failed, as the cluster and the repo's model tell of it.
type Failure struct {
	// Layer is the layer that the object belongs to.
	Layer *gitops.Layer
	// Ref names the object: the layer's own Kustomization, or one that it applied.
	Ref live.Ref
	// Live is the object; nil if the cluster does not have it.
	Live *unstructured.Unstructured
	// Message is what its controller says.
	Message string
	// Open is true if the object did not fail, but did not become ready either.
	Open bool
	// Explained is true if there are findings already about objects that the layer waits
	// for. A finding that would only say that the layer failed is then left out.
	Explained bool
	// View gives access to the other objects of the cluster.
	View live.View
}

// cause returns the findings for a failure; false if it does not recognise it.
type cause func(Failure) ([]finding.Finding, bool)

// causes returns all causes in order: the first that recognises a failure explains it.
// It is a function, not a variable, because some causes call Explain.
func causes() []cause {
	return []cause{
		// of layers and objects
		outOfReach, removedAPI, crdAndCR, unknownKind, wrongRecipient, undecrypted, buildFailed, pathNotFound, noArtifact,
		unhealthy, namespaceMissing, refused, unhealthySomewhere, notApplied, unfinished,
		// of objects
		packageForbidden, packageAccount, packageVersion, packageFailed, notGenerated, sourceFailed, chartFailed, chartRender, releaseFailed, notCurrent,
	}
}

// Explain returns the findings for a failure. There is at least one, unless f.Explained is set.
func Explain(f Failure) []finding.Finding {
	for _, c := range causes() {
		if found, known := c(f); known {
			return found
		}
	}
	return nil
}

// isLayer says whether the failed object is the layer's own Kustomization.
func (f Failure) isLayer() bool {
	return f.Ref.GroupKind == gitops.KustomizationKind && f.Ref.Name == f.Layer.Name && f.Ref.Namespace == f.Layer.Namespace
}

// reason is that of the object's Ready condition.
func (f Failure) reason() string {
	if f.Live == nil {
		return ""
	}
	return live.Reason(f.Live)
}

// finding starts a finding about the object: at the place where the repo declares the
// object or, if that is unknown, the layer.
func (f Failure) finding(code finding.Code) finding.Finding {
	out := finding.Finding{
		Code: code, Severity: finding.Error, Layer: f.Layer.Title(), Object: f.Ref.Identity(), File: f.Layer.File, Line: f.Layer.Line, Evidence: f.Message,
	}
	if !f.isLayer() {
		Locate(&out, f.Layer, func(o *gitops.Object) bool {
			return o.GroupVersionKind().GroupKind() == f.Ref.GroupKind && o.GetName() == f.Ref.Name && o.GetNamespace() == f.Ref.Namespace
		})
	}
	return out
}

// Locate points a finding at the first of the layer's objects that match; it stays
// as it is if none does.
func Locate(f *finding.Finding, l *gitops.Layer, match func(*gitops.Object) bool) {
	i := slices.IndexFunc(l.Objects, match)
	if i < 0 {
		return
	}
	o := l.Objects[i]
	f.Object, f.File, f.Line = o.Identity(), o.File, o.Line
}

// one is the result of a cause that has one finding.
func one(f finding.Finding) ([]finding.Finding, bool) { return []finding.Finding{f}, true }
