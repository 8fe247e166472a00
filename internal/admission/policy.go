// Package admission rewrites objects on their way into an API server, by
// MutatingAdmissionPolicies. Server-side apply returns the rewritten object to the
// client, so Flux sees no drift.
package admission

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/kube"
)

// Enforce applies policies under names that begin with name, and returns when all of them
// are in force: an object that is admitted earlier would not be rewritten. A policy that is
// not in force after 30 seconds is an error. labels are put on every object that Enforce
// makes; nil: none.
func Enforce(ctx context.Context, c *kube.Client, name string, labels map[string]string, policies ...Policy) error {
	for i, p := range policies {
		objects := p.objects(fmt.Sprintf("%s-%d", name, i))
		for _, o := range objects {
			if len(labels) > 0 {
				o.SetLabels(labels)
			}
		}
		if err := c.Apply(ctx, objects...); err != nil {
			return err
		}
	}
	for _, p := range policies {
		if err := p.await(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// Policy rewrites objects of one kind on their way in.
type Policy struct {
	Group, Resource string
	Operations      []any  // empty: CREATE and UPDATE
	When            string // CEL on the object
	Patch           string // CEL: a list of JSON patches
	// InForce reports whether the API server applies the policy already. It leaves no
	// object behind.
	InForce func(context.Context, *kube.Client) (bool, error)
}

// Rewrites returns a Policy.InForce: it reports whether the field at the path fields of
// probe becomes want when probe is created (as a dry run).
func Rewrites(probe *unstructured.Unstructured, want string, fields ...string) func(context.Context, *kube.Client) (bool, error) {
	return Tried(probe, func(got *unstructured.Unstructured) bool {
		s, _, _ := unstructured.NestedString(got.Object, fields...)
		return s == want
	})
}

// Tried returns a Policy.InForce: it creates probe as a dry run, and reports whether
// the function is holds for the object that the API server would store.
func Tried(probe *unstructured.Unstructured, is func(*unstructured.Unstructured) bool) func(context.Context, *kube.Client) (bool, error) {
	return func(ctx context.Context, c *kube.Client) (bool, error) {
		r, err := c.Resource(probe)
		if err != nil {
			return false, err
		}
		got, err := r.Create(ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			return false, err
		}
		return is(got), nil
	}
}

// Quote returns s as a CEL string literal.
func Quote(s string) string { return fmt.Sprintf("%q", s) }

func (p Policy) objects(name string) []*unstructured.Unstructured {
	const api = "admissionregistration.k8s.io/v1"
	operations := p.Operations
	if len(operations) == 0 {
		operations = []any{"CREATE", "UPDATE"}
	}
	return []*unstructured.Unstructured{
		kube.Object(api, "MutatingAdmissionPolicy", "", name, map[string]any{"spec": map[string]any{
			"failurePolicy": "Fail", "reinvocationPolicy": "IfNeeded",
			"matchConstraints": map[string]any{"resourceRules": []any{map[string]any{
				"apiGroups": []any{p.Group}, "apiVersions": []any{"*"}, "resources": []any{p.Resource}, "operations": operations,
			}}},
			"matchConditions": []any{map[string]any{"name": "changed", "expression": p.When}},
			"mutations":       []any{map[string]any{"patchType": "JSONPatch", "jsonPatch": map[string]any{"expression": p.Patch}}},
		}}),
		kube.Object(api, "MutatingAdmissionPolicyBinding", "", name, map[string]any{"spec": map[string]any{"policyName": name}}),
	}
}

// patience is how long the API server may take to put a policy in force.
var patience = defaultPatience

const defaultPatience = 30 * time.Second

// await returns when the policy is in force, as the API server takes a moment to
// compile it. It gives up after patience.
func (p Policy) await(ctx context.Context, c *kube.Client) error {
	deadline := time.Now().Add(patience)
	for {
		yes, err := p.InForce(ctx, c)
		if err == nil && yes {
			return nil
		}
		if time.Now().After(deadline) {
			if err == nil {
				err = errors.New("it changes nothing")
			}
			return fmt.Errorf("the policy that changes %s is not in force after %s: %w", p.Resource, patience, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
