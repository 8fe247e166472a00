// Package admission changes objects on their way into an API server, by
// MutatingAdmissionPolicies: who applies them sees the changed value as its own, so
// nothing drifts.
package admission

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/kube"
)

// Enforce applies policies under names that begin with name, and returns when all of them
// are in force: what slips through would leave the rehearsal. A policy that is not in force
// after 30 seconds is an error. labels are put on all that is made; nil: none.
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
	// InForce tries the policy, without a lasting effect.
	InForce func(context.Context, *kube.Client) (bool, error)
}

// Rewrites says whether probe, when it is created, gets the value want at a path of fields.
func Rewrites(probe *unstructured.Unstructured, want string, fields ...string) func(context.Context, *kube.Client) (bool, error) {
	return Tried(probe, func(got *unstructured.Unstructured) bool {
		s, _, _ := unstructured.NestedString(got.Object, fields...)
		return s == want
	})
}

// Tried creates probe without a lasting effect and looks at what would become of it.
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

// Quote writes a CEL string.
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

// await returns when the policy rewrites: the API server takes a moment to compile it.
func (p Policy) await(ctx context.Context, c *kube.Client) error {
	deadline := time.Now().Add(patience)
	for {
		yes, err := p.InForce(ctx, c)
		if err == nil && yes {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the policy that changes %s is not in force after %s: %w", p.Resource, patience, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
