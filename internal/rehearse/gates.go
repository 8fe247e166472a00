package rehearse

import (
	"context"
	"slices"

	"seatrial.dev/seatrial/internal/admission"
	"seatrial.dev/seatrial/internal/kube"
)

// gates refuses what a feature gate of Kubernetes is needed for that is off by default, unless the repo says that its own
// cluster has it on. The control plane has it on, as it starts before the repo is read.
func (r *rehearsal) gates(ctx context.Context) error {
	const gate = "HPAScaleToZero"
	if r.cluster.Tier() != simulated || slices.Contains(r.subject.Gates, gate) {
		return nil
	}
	return admission.Refuse(ctx, r.cluster.Client(), "seatrial-gates", nil, admission.Refusal{
		Group: "autoscaling", Resource: "horizontalpodautoscalers", When: "has(object.spec.minReplicas) && object.spec.minReplicas == 0",
		Message: "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1 (without the feature gate " + gate + ", which no configuration of a cluster in the repo turns on)",
		Probe: kube.Object("autoscaling/v2", "HorizontalPodAutoscaler", "default", "seatrial-probe", map[string]any{"spec": map[string]any{
			"minReplicas": int64(0), "maxReplicas": int64(1), "scaleTargetRef": map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "probe"},
			"metrics": []any{map[string]any{"type": "External", "external": map[string]any{"metric": map[string]any{"name": "x"}, "target": map[string]any{"type": "Value", "value": "1"}}}},
		}}),
	})
}
