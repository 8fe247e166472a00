package cause

import (
	"testing"

	"seatrial.dev/seatrial/internal/finding"
)

func TestHealth(t *testing.T) {
	const (
		waits    = "timeout waiting for: [Deployment/web/web status: 'InProgress']"
		progress = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: web, generation: 1}\nspec: {replicas: 1}\nstatus: {observedGeneration: 1}"
	)
	check(t, []told{
		{name: "an object of its own", reason: "HealthCheckFailed", message: waits, beside: []string{progress}, inventory: "{id: web_web_apps_Deployment, v: v1}",
			want: finding.NotCurrent, at: "apps/all.yaml:20", object: "Deployment/web/web", says: "Replicas: 0/1"},
		{name: "an object that is not there", reason: "HealthCheckFailed", message: "timeout waiting for: [Deployment/web/other status: 'NotFound']",
			want: finding.NotCurrent, at: "c/apps.yaml:2", object: "Deployment/web/other", says: "status NotFound"},
		{name: "itself", reason: "HealthCheckFailed", message: "timeout waiting for: [Kustomization/flux-system/apps status: 'InProgress']", inventory: "{id: flux-system_apps_kustomize.toolkit.fluxcd.io_Kustomization, v: v1}",
			want: finding.NotCurrent, at: "c/apps.yaml:2", object: "Kustomization/flux-system/apps"},
		{name: "it names none", reason: "HealthCheckFailed", message: "context deadline exceeded", want: finding.HealthCheckFailed, at: "c/apps.yaml:2", says: "did not become ready"},
		{name: "it names none, and more is known", reason: "HealthCheckFailed", message: "context deadline exceeded", explained: true},
	})
}
