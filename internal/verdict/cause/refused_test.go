package cause

import (
	"testing"

	"seatrial.dev/seatrial/internal/finding"
)

func TestRefused(t *testing.T) {
	check(t, []told{
		{name: "invalid", reason: "ReconciliationFailed", message: `Deployment/web/web dry-run failed (Invalid): Deployment.apps "web" is invalid: spec.selector: Required value`,
			want: finding.ApplyFailed, at: "apps/all.yaml:20", object: "Deployment/web/web", says: "refuses the object", fix: "what the API server says"},
		{name: "no such namespace", reason: "ReconciliationFailed", message: `Deployment/web/web dry-run failed (NotFound): namespaces "web" not found`,
			want: finding.ApplyFailed, object: "Deployment/web/web", says: "namespace web does not exist", fix: "in an earlier layer"},
		{name: "it is a health check that says so", reason: "HealthCheckFailed", message: "Deployment/web/web dry-run failed", want: finding.HealthCheckFailed},
		{name: "of the whole cluster", reason: "ReconciliationFailed", message: "Namespace/Web dry-run failed (Invalid): a lower case RFC 1123 label must consist of …",
			want: finding.ApplyFailed, at: "c/apps.yaml:2", object: "Namespace/Web"},
	})
}
