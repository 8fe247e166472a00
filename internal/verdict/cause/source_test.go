package cause

import (
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/finding"
)

func TestSourcesAndReleases(t *testing.T) {
	const (
		release    = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: cm, namespace: web}\nspec: {chart: {spec: {sourceRef: {kind: HelmRepository, name: jetstack}}}}"
		repository = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: jetstack, namespace: web, generation: 1}\nstatus: {observedGeneration: 1, conditions: [{type: Ready, status: 'False', message: 'lookup charts.jetstack.io: no such host'}]}"
		chart      = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmChart\nmetadata: {name: web-cm, namespace: flux-system, generation: 1}\nstatus: {observedGeneration: 1, conditions: [{type: Ready, status: 'False', message: 'no chart version found for cert-manager-9.9.9'}]}"
	)
	check(t, []told{
		{name: "a package repository", of: "apiVersion: packaging.carvel.dev/v1alpha1\nkind: PackageRepository\nmetadata: {name: standard, namespace: web}", message: "ReconcileFailed: vendir:\n  Fetching image: manifest unknown",
			want: finding.SourceFailed, at: "apps/all.yaml:34", says: "can't be fetched: Fetching image: manifest unknown"},
		{name: "a release whose repository fails", of: release, message: "HelmChart is not ready", beside: []string{repository},
			want: finding.SourceFailed, at: "apps/all.yaml:24", object: "HelmRelease/web/cm", says: "its chart can't be fetched: lookup charts.jetstack.io"},
		{name: "a release whose chart is not to be had", of: release, message: "HelmChart is not ready", beside: []string{chart},
			want: finding.SourceFailed, says: "no chart version found"},
		{name: "a release beside another's chart", of: release, message: "Helm install failed", beside: []string{strings.Replace(chart, "web-cm", "db-cm", 1)}, want: finding.HelmFailed},
		{name: "a release that fails by itself", of: release, message: "Helm install failed for release web/cm: context deadline exceeded\nmore",
			want: finding.HelmFailed, at: "apps/all.yaml:24", says: "does not become ready: Helm install failed", fix: "values"},
		{name: "any other object", of: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: web}", message: "is being deleted", want: finding.NotCurrent, at: "apps/all.yaml:20", says: "not current: is being deleted"},
	})
}
