// Package cause says why something failed. A cause is a small file: the message that
// a controller writes, taken apart, and what to do about it. Where a rule of internal/check
// says the same without a cluster, the words are a function of the cause's file.
//
// It is pure. A new cause is a file here, cases with the controller's real message in a table
// test, and a word in causes, whose order decides: the more special before the more general.
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
	// Open is true if the object did not fail, but did not come to an end either.
	Open bool
	// Explained is true if more is known already, of an object that the layer waits for:
	// what would only say that the layer failed is left out then.
	Explained bool
	// View looks up what else is in the cluster.
	View live.View
}

// cause turns a failure into findings; false if it is not the cause.
type cause func(Failure) ([]finding.Finding, bool)

// causes are all causes, in the order in which they are asked: the first that knows a
// failure explains it. (A function, as some explain further failures.)
func causes() []cause {
	return []cause{
		// of layers
		removedAPI, crdAndCR, unknownKind, wrongRecipient, undecrypted, buildFailed, pathNotFound, noArtifact,
		unhealthy, namespaceMissing, refused, unhealthySomewhere, notApplied, unfinished,
		// of objects
		packageForbidden, packageAccount, packageVersion, packageFailed, sourceFailed, chartFailed, releaseFailed, notCurrent,
	}
}

// Explain says why something failed. There is always a finding, unless f.Explained.
func Explain(f Failure) []finding.Finding {
	for _, c := range causes() {
		if found, known := c(f); known {
			return found
		}
	}
	return nil
}

// isLayer says whether it is the layer itself that failed.
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

// finding starts a finding about the object, where the repo declares it or else where
// it declares the layer.
func (f Failure) finding(code finding.Code) finding.Finding {
	out := finding.Finding{
		Code: code, Severity: finding.Error, Layer: f.Layer.Name, Object: f.Ref.Identity(), File: f.Layer.File, Line: f.Layer.Line, Evidence: f.Message,
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
