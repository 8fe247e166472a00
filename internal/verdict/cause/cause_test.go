package cause

import (
	"strings"
	"testing"
	"testing/fstest"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/live/livetest"
)

// manifests are the objects of the layer "apps", which the tests use.
const manifests = `
apiVersion: v1
kind: Secret
metadata: {name: credentials, namespace: web}
stringData: {a: 'ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]'}
sops: {age: [{recipient: age1x}]}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: web, namespace: web}
---
apiVersion: acme.example.com/v1
kind: Widget
metadata: {name: w, namespace: web}
---
apiVersion: batch/v1beta1
kind: CronJob
metadata: {name: nightly, namespace: web}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: web}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: cm, namespace: web}
spec: {chart: {spec: {chart: cert-manager, sourceRef: {kind: HelmRepository, name: jetstack}}}, values: {crds: {enabled: true}}}
---
apiVersion: packaging.carvel.dev/v1alpha1
kind: PackageInstall
metadata: {name: contour, namespace: web}
spec: {serviceAccountName: installer, packageRef: {refName: contour.example.com}}
---
apiVersion: packaging.carvel.dev/v1alpha1
kind: PackageRepository
metadata: {name: standard, namespace: web}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: ca, namespace: web}
`

// layer returns the layer "apps"; more is added to its Kustomization.
func layer(t *testing.T, more string) *gitops.Layer {
	t.Helper()
	r, err := gitops.Load(fstest.MapFS{
		"c/apps.yaml":   {Data: []byte("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\nspec:\n  sourceRef: {kind: GitRepository, name: flux-system}\n  path: " + more + "\n")},
		"apps/all.yaml": {Data: []byte(strings.TrimPrefix(manifests, "\n"))},
	}, "c")
	if err != nil {
		t.Fatal(err)
	}
	return r.Layer(gitops.Ref{Namespace: "flux-system", Name: "apps"})
}

// told is a test case of a cause: what the cluster reports, and the expected finding.
type told struct {
	name string
	// of is the manifest of the failing object; empty: the layer itself fails.
	of string
	// reason and message are those of the object's Ready condition.
	reason, message string
	open, explained bool
	// beside are further objects of the cluster; inventory are entries of the layer's inventory.
	beside    []string
	inventory string

	want finding.Code // "": no finding
	at   string       // file:line of the finding
	// object, says and fix are parts of the finding's object, message and fix.
	object, says, fix string
}

// check explains the failure of each case, and compares the findings.
func check(t *testing.T, cases []told) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			of := c.of
			if of == "" {
				of = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\nstatus: {conditions: [{type: Ready, status: 'False', reason: '" + c.reason + "'}], inventory: {entries: [" + c.inventory + "]}}"
			}
			u := livetest.Object(t, of)
			got := Explain(Failure{
				Layer: layer(t, "apps"), Ref: live.RefOf(u), Live: u, Message: c.message, Open: c.open, Explained: c.explained,
				View: livetest.Cluster(t, c.beside...),
			})
			if c.want == "" {
				if len(got) > 0 {
					t.Errorf("got %+v", got)
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("got %+v", got)
			}
			f := got[0]
			if f.Code != c.want || f.Severity != finding.Error || f.Layer != "apps" || f.Evidence == "" {
				t.Errorf("got %+v, want %s", f, c.want)
			}
			if c.at != "" && f.Where() != c.at {
				t.Errorf("at %s, want %s", f.Where(), c.at)
			}
			if !strings.Contains(f.Object, c.object) || !strings.Contains(f.Message, c.says) || !strings.Contains(f.Fix, c.fix) {
				t.Errorf("got %s: %q, fix %q", f.Object, f.Message, f.Fix)
			}
		})
	}
}

// A layer is explained by Flux's message, unless one of its objects explains more.
func TestLayerThatOnlyWaitsIsExplained(t *testing.T) {
	check(t, []told{
		{name: "failed", reason: "ReconciliationFailed", message: "something nobody has seen before", want: finding.ApplyFailed, at: "c/apps.yaml:2", says: "can't be applied"},
		{name: "failed, and its object says more", reason: "ReconciliationFailed", message: "something", explained: true},
		{name: "not at its end", reason: "Progressing", message: "running health checks\nfor 3 objects", open: true, want: finding.NotReconciled, says: "did not reconcile: running health checks", fix: "--timeout"},
		{name: "not at its end, and its object says more", reason: "Progressing", message: "x", open: true, explained: true},
	})
}
