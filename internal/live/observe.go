package live

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/gitops"
)

// State is how far an object is.
type State int

// An object is Current only if its controller says so. A Failed object may recover, as
// controllers try again.
const (
	Progressing State = iota
	Failed
	Current
	// Unobserved objects have no controller in this tier that would say anything.
	Unobserved
)

// Condition is one entry of status.conditions.
type Condition struct {
	Type, Status, Reason, Message string
	ObservedGeneration            int64
}

// Conditions are an object's status.conditions.
func Conditions(u *unstructured.Unstructured) []Condition {
	list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	var out []Condition
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			continue
		}
		c := Condition{}
		c.Type, _ = m["type"].(string)
		c.Status, _ = m["status"].(string)
		c.Reason, _ = m["reason"].(string)
		c.Message, _ = m["message"].(string)
		c.ObservedGeneration, _ = m["observedGeneration"].(int64)
		out = append(out, c)
	}
	return out
}

// ConditionOf returns the condition of a type; false if there is none.
func ConditionOf(u *unstructured.Unstructured, kind string) (Condition, bool) {
	for _, c := range Conditions(u) {
		if c.Type == kind {
			return c, true
		}
	}
	return Condition{}, false
}

// observed says whether the controller has seen the current generation of the object.
func observed(u *unstructured.Unstructured) bool {
	g, found, _ := unstructured.NestedInt64(u.Object, "status", "observedGeneration")
	return found && g == u.GetGeneration()
}

// Observe returns the state of an object, by a rule for its kind, and the reason.
func Observe(u *unstructured.Unstructured) (State, string) {
	if u.GetDeletionTimestamp() != nil {
		return Progressing, "is being deleted"
	}
	group := u.GroupVersionKind().Group
	switch {
	case strings.HasSuffix(group, ".toolkit.fluxcd.io"), group == gitops.ArtifactGeneratorKind.Group:
		return observeFlux(u)
	case group == "packaging.carvel.dev" || group == "kappctrl.k14s.io":
		return observeCarvel(u)
	case !builtIn(group):
		if !spoken(u) {
			return Unobserved, "no controller of its kind has looked at it"
		}
	}
	result, err := status.Compute(u)
	if err != nil {
		return Failed, err.Error()
	}
	switch result.Status {
	case status.CurrentStatus:
		return Current, result.Message
	case status.FailedStatus:
		return Failed, result.Message
	default:
		return Progressing, result.Message
	}
}

// spoken says whether a controller has reported on an object. Conditions alone don't
// prove that: a CRD may give its objects conditions of unknown status by default.
func spoken(u *unstructured.Unstructured) bool {
	return slices.ContainsFunc(Conditions(u), func(c Condition) bool { return c.Status != "" && c.Status != "Unknown" })
}

// builtIn says whether an API group belongs to Kubernetes itself. The suffix k8s.io is
// not enough: other projects have such groups, too, for example
// gateway.networking.k8s.io.
func builtIn(group string) bool {
	if !strings.Contains(group, ".") {
		return true
	}
	name, ok := strings.CutSuffix(group, ".k8s.io")
	return ok && slices.Contains([]string{
		"admissionregistration", "apiextensions", "apiregistration", "authentication", "authorization", "certificates",
		"coordination", "discovery", "events", "flowcontrol.apiserver", "networking", "node", "rbac.authorization",
		"resource", "scheduling", "storage", "storagemigration",
	}, name)
}

// observeFlux reads the Ready condition. An OCI HelmRepository is static: it has no
// status, and there is nothing to wait for.
func observeFlux(u *unstructured.Unstructured) (State, string) {
	if suspended, _, _ := unstructured.NestedBool(u.Object, "spec", "suspend"); suspended {
		return Unobserved, "suspended"
	}
	gvk := u.GroupVersionKind()
	if gvk.Group == gitops.ArtifactGeneratorKind.Group || gvk.GroupKind() == gitops.ExternalArtifactKind {
		return observeGenerated(u)
	}
	switch gvk.Group {
	case "notification.toolkit.fluxcd.io", "image.toolkit.fluxcd.io":
		return Unobserved, "its controller does not run in a rehearsal"
	}
	if kind, _, _ := unstructured.NestedString(u.Object, "spec", "type"); gvk.Kind == "HelmRepository" && kind == "oci" {
		return Current, "static"
	}
	ready, found := ConditionOf(u, "Ready")
	if !found || !observed(u) && ready.ObservedGeneration != u.GetGeneration() {
		return Progressing, "not seen by its controller yet"
	}
	switch ready.Status {
	case "True":
		if !observed(u) {
			return Progressing, "its controller is at an older generation"
		}
		return Current, ready.Message
	case "False":
		return Failed, ready.Message
	default:
		return Progressing, ready.Message
	}
}

// observeGenerated reads the Ready condition of an ArtifactGenerator or an ExternalArtifact, whose status tells
// the generation that it is of only there.
func observeGenerated(u *unstructured.Unstructured) (State, string) {
	if strings.EqualFold(u.GetAnnotations()["source.extensions.fluxcd.io/reconcile"], "disabled") {
		return Unobserved, "suspended"
	}
	ready, found := ConditionOf(u, "Ready")
	maker, _, _ := unstructured.NestedString(u.Object, "spec", "sourceRef", "kind")
	switch {
	case !found && u.GetKind() == gitops.ExternalArtifactKind.Kind && maker != gitops.ArtifactGeneratorKind.Kind:
		return Unobserved, "what makes its artifact does not run in a rehearsal"
	case !found || ready.ObservedGeneration != u.GetGeneration():
		return Progressing, "not seen by source-watcher yet"
	case ready.Status == "True":
		return Current, ready.Message
	case ready.Status == "False":
		return Failed, ready.Message
	}
	return Progressing, ready.Message
}

// observeCarvel reads Carvel's own conditions, which kstatus does not know: it
// calls a failed PackageInstall Current.
func observeCarvel(u *unstructured.Unstructured) (State, string) {
	if paused, _, _ := unstructured.NestedBool(u.Object, "spec", "paused"); paused {
		return Unobserved, "paused"
	}
	if !observed(u) {
		return Progressing, "not seen by kapp-controller yet"
	}
	for _, c := range Conditions(u) {
		if c.Status != "True" {
			continue
		}
		switch c.Type {
		case "ReconcileSucceeded":
			return Current, "reconciled"
		case "ReconcileFailed", "DeleteFailed":
			useful, _, _ := unstructured.NestedString(u.Object, "status", "usefulErrorMessage")
			if useful == "" {
				useful = c.Message
			}
			return Failed, fmt.Sprintf("%s: %s", c.Type, strings.TrimSpace(useful))
		}
	}
	friendly, _, _ := unstructured.NestedString(u.Object, "status", "friendlyDescription")
	return Progressing, friendly
}

// Reason is that of an object's Ready condition, or "".
func Reason(u *unstructured.Unstructured) string {
	c, _ := ConditionOf(u, "Ready")
	return c.Reason
}
