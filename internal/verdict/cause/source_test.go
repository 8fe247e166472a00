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
		{name: "a registry that can't be reached", of: strings.Replace(strings.Split(repository, "\nstatus")[0], "HelmRepository", "OCIRepository", 1),
			message: "failed to determine artifact digest: GET https://ghcr.io/v2/: unexpected status code 424 Failed Dependency: seatrial: lookup ghcr.io: no such host",
			want:    finding.SourceUnreachable, says: "it could not be reached from here: lookup ghcr.io: no such host", fix: "see that its name is right"},
		{name: "a Git server that can't be reached", of: strings.Replace(strings.Split(repository, "\nstatus")[0], "HelmRepository", "GitRepository", 1),
			message: "unable to clone 'https://git.example.org/other.git': unexpected client error: unexpected requesting \"https://git.example.org/other.git/info/refs?service=git-upload-pack\" status code: 424",
			want:    finding.SourceUnreachable, says: "it could not be reached from here"},
		{name: "a release whose chart can't be reached", of: release, message: "HelmChart is not ready",
			beside: []string{strings.Replace(chart, "no chart version found for cert-manager-9.9.9", "failed to fetch https://charts.jetstack.io/cert-manager-1.tgz : 424 Failed Dependency", 1)},
			want:   finding.SourceUnreachable, says: "its chart could not be reached from here"},
		{name: "a release whose repository fails", of: release, message: "HelmChart is not ready", beside: []string{repository},
			want: finding.SourceFailed, at: "apps/all.yaml:24", object: "HelmRelease/web/cm", says: "its chart can't be fetched: lookup charts.jetstack.io"},
		{name: "a release whose chart is not to be had", of: release, message: "HelmChart is not ready", beside: []string{chart},
			want: finding.SourceFailed, says: "no chart version found"},
		{name: "a release beside another's chart", of: release, message: "Helm install failed", beside: []string{strings.Replace(chart, "web-cm", "db-cm", 1)}, want: finding.HelmFailed},
		{name: "a chart that does not render", of: release,
			message: "Helm install failed for release web/cm with chart harbor@1.19.1: harbor/templates/trivy/trivy-sts.yaml:2:21\n  executing \"harbor/templates/trivy/trivy-sts.yaml\" at <.Values.persistence.persistentVolumeClaim.trivy>:\n    can't evaluate field persistentVolumeClaim in type interface {}",
			want:    finding.HelmFailed, at: "apps/all.yaml:24", says: "its chart does not render: harbor/templates/trivy/trivy-sts.yaml, line 2: can't evaluate field persistentVolumeClaim in type interface {}",
			fix: "mend the value persistence.persistentVolumeClaim.trivy"},
		{name: "a chart that asks for a value", of: release,
			message: "Helm install failed for release web/cm with chart thing@1.0.0: execution error at (thing/templates/cm.yaml:6:11): a text, please",
			want:    finding.HelmFailed, says: "thing/templates/cm.yaml, line 6: a text, please", fix: "mend the values that the template reads"},
		{name: "a chart whose included template fails", of: release,
			message: "Helm install failed for release web/cm with chart a@1: template: a/templates/x.yaml:3:4: executing \"a/templates/x.yaml\" at <include \"b.name\" .>: error calling include: template: a/charts/b/templates/_helpers.tpl:7:14: executing \"b.name\" at <.Values.name.first>: nil pointer evaluating interface {}.first",
			want:    finding.HelmFailed, says: "a/charts/b/templates/_helpers.tpl, line 7: nil pointer evaluating interface {}.first", fix: "mend the value name.first"},
		{name: "values that the chart's schema refuses", of: release,
			message: "Helm install failed for release web/cm with chart vault@0.34.1: values don't meet the specifications of the schema(s) in the following chart(s):\nvault:\n- at '/server/ha': got string, want object\n- at '/ui': got number, want object",
			want:    finding.HelmFailed, says: "the chart's schema refuses its values: server.ha: got string, want object; ui: got number", fix: "at server.ha"},
		{name: "a template that makes no YAML", of: release,
			message: "Helm install failed for release web/cm with chart thing@1.0.0: YAML parse error on thing/templates/cm.yaml: error converting YAML to JSON: yaml: line 6: mapping values are not allowed in this context",
			want:    finding.HelmFailed, says: "thing/templates/cm.yaml makes no YAML of its values: error converting YAML to JSON: yaml: line 6", fix: "quote texts"},
		{name: "a release that fails by itself", of: release, message: "Helm install failed for release web/cm: context deadline exceeded\nmore",
			want: finding.HelmFailed, at: "apps/all.yaml:24", says: "does not become ready: Helm install failed", fix: "values"},
		{name: "any other object", of: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: web}", message: "is being deleted", want: finding.NotCurrent, at: "apps/all.yaml:20", says: "not current: is being deleted"},
	})
}
