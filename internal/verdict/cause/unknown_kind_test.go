package cause

import (
	"testing"

	"seatrial.dev/seatrial/internal/finding"
)

func TestUnknownKind(t *testing.T) {
	check(t, []told{
		{name: "nothing installs it", reason: "ReconciliationFailed", message: `Widget/web/w dry-run failed: no matches for kind "Widget" in version "acme.example.com/v1"`,
			want: finding.UnknownKind, at: "apps/all.yaml:12", object: "Widget/web/w", says: "nothing in the cluster serves acme.example.com/v1 Widget", fix: "install its CRD in an earlier layer"},
		{name: "no object of the layer has it", reason: "ReconciliationFailed", message: `no matches for kind "Gadget" in version "acme.example.com/v1"`,
			want: finding.UnknownKind, at: "c/apps.yaml:2", object: "Kustomization/flux-system/apps"},
		{name: "its installer is in the layer", reason: "ReconciliationFailed", message: `Certificate/web/web dry-run failed: no matches for kind "Certificate" in version "cert-manager.io/v1"`,
			want: finding.CRDAndCR, at: "apps/all.yaml:8", object: "Certificate/web/web", says: "together with HelmRelease/web/cm", fix: "to a later layer that depends on apps"},
		{name: "another one of several whose installer is in the layer", reason: "ReconciliationFailed", message: `Issuer/web/ca dry-run failed: no matches for kind "Issuer" in version "cert-manager.io/v1"`,
			want: finding.CRDAndCR, at: "apps/all.yaml:8", object: "Certificate/web/web", says: "Certificate and Issuer/web/ca are applied together with HelmRelease/web/cm", fix: "move them to a later layer that depends on apps"},
		{name: "its version is gone", reason: "ReconciliationFailed", message: `CronJob/web/nightly dry-run failed: no matches for kind "CronJob" in version "batch/v1beta1"`,
			want: finding.RemovedAPI, at: "apps/all.yaml:16", object: "CronJob/web/nightly", says: "batch/v1beta1 CronJob is no longer served", fix: "batch/v1"},
	})
}
