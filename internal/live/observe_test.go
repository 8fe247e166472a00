package live_test

import (
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/live/livetest"
)

const (
	generator = "apiVersion: source.extensions.fluxcd.io/v1beta1\nkind: ArtifactGenerator\nmetadata: {generation: 2}\n"
	artifact  = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: ExternalArtifact\nmetadata: {generation: 1}\n"
)

func TestObserve(t *testing.T) {
	for _, c := range []struct {
		name, manifest string
		want           live.State
	}{
		{"failed PackageRepository", "apiVersion: packaging.carvel.dev/v1alpha1\nkind: PackageRepository\nmetadata: {generation: 1}\nstatus: {observedGeneration: 1, conditions: [{type: ReconcileFailed, status: 'True'}]}", live.Failed},
		{"reconciled App", "apiVersion: kappctrl.k14s.io/v1alpha1\nkind: App\nmetadata: {generation: 1}\nstatus: {observedGeneration: 1, conditions: [{type: ReconcileSucceeded, status: 'True'}]}", live.Current},
		{"App of an older generation", "apiVersion: kappctrl.k14s.io/v1alpha1\nkind: App\nmetadata: {generation: 2}\nstatus: {observedGeneration: 1, conditions: [{type: ReconcileSucceeded, status: 'True'}]}", live.Progressing},
		{"unseen HelmRelease", "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {generation: 1}", live.Progressing},
		{"OCI HelmRepository", "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {generation: 1}\nspec: {type: oci}", live.Current},
		{"Deployment without replicas yet", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {generation: 1}\nspec: {replicas: 1}\nstatus: {observedGeneration: 1}", live.Progressing},
		{"Certificate that nobody acts on", "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {generation: 1}", live.Unobserved},
		{"HTTPProxy with a default status", "apiVersion: projectcontour.io/v1\nkind: HTTPProxy\nmetadata: {generation: 1}\nstatus: {currentStatus: NotReconciled}", live.Unobserved},
		{"Certificate that failed", "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {generation: 1}\nstatus: {conditions: [{type: Ready, status: 'False'}]}", live.Progressing},
		{"failed ArtifactGenerator", generator + "status: {conditions: [{type: Ready, status: 'False', observedGeneration: 2}]}", live.Failed},
		{"reconciled ArtifactGenerator", generator + "status: {conditions: [{type: Ready, status: 'True', observedGeneration: 2}]}", live.Current},
		{"ArtifactGenerator at work", generator + "status: {conditions: [{type: Ready, status: Unknown, observedGeneration: 2}]}", live.Progressing},
		{"ArtifactGenerator of an older generation", generator + "status: {conditions: [{type: Ready, status: 'True', observedGeneration: 1}]}", live.Progressing},
		{"ArtifactGenerator that is switched off", strings.Replace(generator, "{gen", "{annotations: {source.extensions.fluxcd.io/reconcile: Disabled}, gen", 1), live.Unobserved},
		{"ExternalArtifact that is made", artifact + "spec: {sourceRef: {kind: ArtifactGenerator}}\nstatus: {conditions: [{type: Ready, status: 'True', observedGeneration: 1}]}", live.Current},
		{"ExternalArtifact that is to be made", artifact + "spec: {sourceRef: {kind: ArtifactGenerator}}", live.Progressing},
		{"ExternalArtifact that nobody here makes", artifact + "spec: {sourceRef: {kind: Else}}", live.Unobserved},
		{"object on its way out", "apiVersion: v1\nkind: ConfigMap\nmetadata: {deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [a/b]}", live.Progressing},
	} {
		if got, why := live.Observe(livetest.Object(t, c.manifest)); got != c.want {
			t.Errorf("%s: got %d (%s), want %d", c.name, got, why, c.want)
		}
	}
}
