package admission

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/kube"
)

// Refusal keeps objects of one kind out, by a ValidatingAdmissionPolicy.
type Refusal struct {
	Group, Resource string
	When            string // CEL on the object
	Message         string // what the API server says
	// Probe is an object that is refused.
	Probe *unstructured.Unstructured
}

// Refuse applies a refusal under a name, and returns when it is in force; it gives up after 30 seconds.
func Refuse(ctx context.Context, c *kube.Client, name string, labels map[string]string, r Refusal) error {
	const api = "admissionregistration.k8s.io/v1"
	objects := []*unstructured.Unstructured{
		kube.Object(api, "ValidatingAdmissionPolicy", "", name, map[string]any{"spec": map[string]any{
			"failurePolicy": "Fail",
			"matchConstraints": map[string]any{"resourceRules": []any{map[string]any{
				"apiGroups": []any{r.Group}, "apiVersions": []any{"*"}, "resources": []any{r.Resource}, "operations": []any{"CREATE", "UPDATE"},
			}}},
			"validations": []any{map[string]any{"expression": "!(" + r.When + ")", "message": r.Message}},
		}}),
		kube.Object(api, "ValidatingAdmissionPolicyBinding", "", name, map[string]any{"spec": map[string]any{"policyName": name, "validationActions": []any{"Deny"}}}),
	}
	for _, o := range objects {
		if len(labels) > 0 {
			o.SetLabels(labels)
		}
	}
	if err := c.Apply(ctx, objects...); err != nil {
		return err
	}
	probes, err := c.Resource(r.Probe)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; {
		_, err := probes.Create(ctx, r.Probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) {
			return nil
		}
		if time.Now().After(deadline) {
			if err == nil {
				err = errors.New("it refuses nothing")
			}
			return fmt.Errorf("the policy that refuses %s is not in force after %s: %w", r.Resource, patience, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
