package rehearse

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/prerequisite"
	"seatrial.dev/seatrial/internal/prose"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/standin/ondemand"
)

// tellAssumed puts into the report what is taken to exist.
func (r *rehearsal) tellAssumed() {
	for _, a := range r.subject.Assumed {
		if len(a.Objects) == 0 && len(a.Groups) == 0 && !a.Node {
			continue // it is there, and nothing here asks for it
		}
		r.report.Assumptions = append(r.report.Assumptions, report.Assumption{What: a.What, Why: a.Why, File: a.File, Line: a.Line, Declare: declare(a)})
	}
	if n := len(r.report.Assumptions); n > 0 {
		r.console.Note("taken for granted, as the repo leans on it and does not bring it: " + prose.Count(n, "thing") + ", listed under assumptions in the report")
	}
}

// declare says how an assumption is replaced by something that is known.
func declare(a prerequisite.Assumption) string {
	if a.Declared {
		return ""
	}
	if a.Node {
		return "say what nodes have in .seatrial.yaml (prerequisites.nodes)"
	}
	if len(a.Groups) > 0 {
		return "name the kinds, or a file with their CRDs, in .seatrial.yaml (prerequisites)"
	}
	return "name a file with it in .seatrial.yaml (prerequisites.manifests)"
}

// assume makes what is taken to exist before Flux is bootstrapped: kinds, namespaces, and what lies in namespaces that
// are there. The rest waits: what an operator would make of an object of the repo for that object, and what lies in a
// namespace that the repo brings for that namespace.
func (r *rehearsal) assume(ctx context.Context) error {
	for _, crd := range r.definitions() {
		if err := r.make(ctx, crd); err != nil {
			return fmt.Errorf("make the kind %s, which is taken to exist: %w", crd.GetName(), err)
		}
	}
	if err := r.furnish(ctx, r.subject.Nodes); err != nil {
		return err
	}
	for _, a := range r.subject.Assumed {
		for _, o := range a.Objects {
			if o.GetKind() == "Namespace" {
				if err := r.assumed(ctx, a, o); err != nil {
					return err
				}
			}
		}
	}
	var waiting []prerequisite.Assumption
	namespaces := r.names(ctx, namespaceKind)
	for _, a := range r.subject.Assumed {
		if a.Maker != nil || slices.ContainsFunc(a.Objects, func(o *unstructured.Unstructured) bool { return !there(namespaces, o) }) {
			waiting = append(waiting, a)
			continue
		}
		for _, o := range a.Objects {
			if err := r.assumed(ctx, a, o); err != nil {
				return err
			}
		}
	}
	r.waiting = waiting
	return nil
}

var namespaceKind = schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}

// there says whether an object's namespace, if it has one, is among those.
func there(namespaces map[string]bool, o *unstructured.Unstructured) bool {
	return o.GetNamespace() == "" || namespaces["/"+o.GetNamespace()]
}

// assumed makes an object that is taken to exist. One that the API server refuses is left out, as it can't exist on a
// real cluster either; what the repo itself declares is an error then.
func (r *rehearsal) assumed(ctx context.Context, a prerequisite.Assumption, o *unstructured.Unstructured) error {
	err := r.make(ctx, o)
	if err == nil {
		return nil
	}
	if a.Declared || !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
		return fmt.Errorf("make %s, which is taken to exist: %w", a.What, err)
	}
	r.console.Note("left out " + a.What + " (" + a.Why + "): " + prose.FirstLine(err.Error()))
	return nil
}

// make applies an object.
func (r *rehearsal) make(ctx context.Context, o *unstructured.Unstructured) error {
	c, labels := r.cluster.Client(), r.cluster.Labels()
	o = o.DeepCopy()
	if o.GetKind() == "Namespace" {
		return c.MakeNamespace(ctx, o.GetName(), o.GetLabels(), labels)
	}
	if len(labels) > 0 {
		all := o.GetLabels()
		if all == nil {
			all = map[string]string{}
		}
		for k, v := range labels {
			all[k] = v
		}
		o.SetLabels(all)
	}
	return c.Apply(ctx, o)
}

// makers does what operators do for objects that Flux itself needs the result of: it makes each once the object
// that it is made of is there.
func (r *rehearsal) makers(ctx context.Context, waiting []prerequisite.Assumption) {
	for len(waiting) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(300 * time.Millisecond):
		}
		namespaces, known := r.names(ctx, namespaceKind), map[schema.GroupVersionKind]map[string]bool{}
		waiting = slices.DeleteFunc(waiting, func(a prerequisite.Assumption) bool {
			if a.Maker != nil {
				gvk := a.Maker.GroupVersionKind()
				if known[gvk] == nil {
					known[gvk] = r.names(ctx, gvk)
				}
				if !known[gvk][a.Maker.GetNamespace()+"/"+a.Maker.GetName()] {
					return false
				}
			}
			for _, o := range a.Objects {
				if !there(namespaces, o) || r.make(ctx, o) != nil {
					return false // tried again; without the object, what needs it says so
				}
			}
			return true
		})
	}
}

// names are the objects of a kind that the cluster has, as namespace/name; none if the kind is not served.
func (r *rehearsal) names(ctx context.Context, gvk schema.GroupVersionKind) map[string]bool {
	out := map[string]bool{}
	c := r.cluster.Client()
	m, err := c.Mapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return out
	}
	list, err := c.Dynamic.Resource(m.Resource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return out
	}
	for _, u := range list.Items {
		out[u.GetNamespace()+"/"+u.GetName()] = true
	}
	return out
}

// definitions are the CRDs of the kinds that are taken to exist and that the cluster lacks.
func (r *rehearsal) definitions() []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	var charts []schema.GroupVersionKind
	for _, k := range ondemand.Used(r.subject.Repo) {
		for _, v := range k.Versions {
			charts = append(charts, schema.GroupVersionKind{Group: k.Group, Version: v, Kind: k.Kind})
		}
	}
	for _, crd := range prerequisite.Kinds(r.subject.Repo, charts) {
		group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
		if _, err := r.cluster.Client().Mapping(schema.GroupKind{Group: group, Kind: kind}, ""); err != nil {
			out = append(out, crd)
		}
	}
	return out
}
