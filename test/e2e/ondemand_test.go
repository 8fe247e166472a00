package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/verdict"
)

// manyCharts takes charts in every way that Flux knows, none of which the catalogue has. The second layer's
// source and version come by substitution, and its kinds with the first layer's charts.
func manyCharts(t *testing.T) string {
	t.Helper()
	dir := layered(t, [2]string{"base", `apiVersion: v1
kind: Namespace
metadata: {name: home}
---
apiVersion: v1
kind: Secret
metadata: {name: web-secret, namespace: home}
stringData: {TOKEN: not-secret}
---
apiVersion: v1
kind: Secret
metadata: {name: vault-login, namespace: home}
stringData: {password: not-secret}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: media, namespace: home}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: template, namespace: home}
spec: {interval: 1h, url: "oci://registry.example.com/charts/app-template", ref: {tag: 5.1.0}, layerSelector: {mediaType: application/vnd.cncf.helm.chart.content.v1.tar+gzip, operation: copy}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: home}
spec:
  interval: 1h
  chartRef: {kind: OCIRepository, name: template}
  values:
    controllers:
      web: {containers: {app: {image: {repository: example.com/web, tag: 1.0.0}, env: {PORT: 8080}, envFrom: [{secretRef: {name: "{{ .Release.Name }}-secret"}}]}}}
      backup: {type: cronjob, cronjob: {schedule: "@daily"}, containers: {app: {image: {repository: example.com/backup, tag: 1.0.0}}}}
    service: {web: {controller: web, ports: {http: {port: 8080}}}}
    persistence: {media: {existingClaim: media}, cache: {type: emptyDir}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: pinned, namespace: home}
spec: {interval: 1h, url: "oci://registry.example.com/charts/pinned", ref: {tag: 2.0.0, digest: "sha256:c2bc4be57fb912312860d0016552975df74d81045084cf349175a2a0f513c7c3"}, verify: {provider: cosign}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: pinned, namespace: home}
spec: {interval: 1h, chartRef: {kind: OCIRepository, name: pinned}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: lockers, namespace: home}
spec: {interval: 1h, url: "https://charts.example.com/lockers/"}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: locker, namespace: home}
spec:
  interval: 1h
  chart: {spec: {chart: locker, version: ">=1.4.0 <2", sourceRef: {kind: HelmRepository, name: lockers}}}
  values: {auth: {existingSecret: vault-login, existingSecretPasswordKey: password}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmChart
metadata: {name: drawer, namespace: home}
spec: {interval: 1h, chart: drawer, version: 0.3.0, sourceRef: {kind: HelmRepository, name: lockers}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: drawer, namespace: home}
spec: {interval: 1h, chartRef: {kind: HelmChart, name: drawer}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: locker, namespace: home}
spec: {rules: [{host: locker.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: locker-front, port: {name: http}}}}]}}]}
`}, [2]string{"rest", `apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: boxes, namespace: home}
spec: {type: oci, interval: 1h, url: "oci://${registry}/boxes"}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: box, namespace: home}
spec:
  interval: 1h
  chart: {spec: {chart: box, version: "${version}", sourceRef: {kind: HelmRepository, name: boxes}}}
---
apiVersion: lockers.example.com/v1beta1
kind: LockerClaim
metadata: {name: mine, namespace: home}
spec: {size: 2}
---
apiVersion: lockers.example.com/v1
kind: ClusterLocker
metadata: {name: all}
`})
	change(t, dir, "clusters/prod/rest.yaml", "dependsOn:", "postBuild: {substitute: {registry: registry.example.com, version: 3.1.4}}, dependsOn:")
	return dir
}

// change replaces text in a file of a repo.
func change(t *testing.T, dir, file, old, text string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil || !strings.Contains(string(b), old) {
		t.Fatalf("%s has no %q: %v", file, old, err)
	}
	writeFiles(t, dir, map[string]string{file: strings.Replace(string(b), old, text, 1)})
}

// Charts that nothing is known of are made when they are asked for, and the report says what was guessed.
func TestChartsOnDemand(t *testing.T) {
	t.Parallel()
	r := verify(t, "--path", "clusters/prod", "--sources", "stand-in", manyCharts(t))
	if r.code != 0 || r.report.Verdict != verdict.Pass {
		t.Fatalf("exit %d, verdict %q: %+v", r.code, r.report.Verdict, r.report.Findings)
	}
	served := map[string]string{}
	for _, s := range r.report.StandIns {
		served[s.Upstream] = strings.Join(s.Serves, ", ")
	}
	for upstream, want := range map[string]string{
		"oci://registry.example.com/charts/app-template": "app-template 5.1.0",
		"oci://registry.example.com/charts/pinned":       "pinned 2.0.0",
		"https://charts.example.com/lockers/":            "drawer 0.3.0, locker 1.4.0",
		"oci://registry.example.com/boxes":               "box 3.1.4",
	} {
		if got := strings.Join(slices.Sorted(slices.Values(strings.Split(served[upstream], ", "))), ", "); got != want {
			t.Errorf("%s serves %q, want %q", upstream, got, want)
		}
	}
	for code, want := range map[finding.Blind]string{
		finding.ChartUnknown: "box 3.1.4, drawer 0.3.0, locker 1.4.0, pinned 2.0.0", finding.VersionUnknown: "app-template 5.1.0",
		finding.KindUnknown: "ClusterLocker.lockers.example.com", finding.Unverified: "charts/pinned",
	} {
		if !slices.ContainsFunc(r.report.BlindSpots, func(b finding.BlindSpot) bool { return b.Code == code && strings.Contains(b.Message, want) }) {
			t.Errorf("no blind spot %s with %q: %+v", code, want, r.report.BlindSpots)
		}
	}
}

// What a release of an unknown chart, and one of app-template, says that it reads, is missed.
func TestMissingSecretsOfUnknownCharts(t *testing.T) {
	t.Parallel()
	dir := manyCharts(t)
	change(t, dir, "layers/base/all.yaml", "metadata: {name: vault-login,", "metadata: {name: other,")
	change(t, dir, "layers/base/all.yaml", "{name: web-secret,", "{name: web-other,")
	r := verify(t, "--path", "clusters/prod", "--sources", "stand-in", dir)
	missed := map[string]bool{}
	for _, f := range allFindings(r.report) {
		if f.Code == finding.SecretKeyMissing && f.Severity == finding.Error {
			missed[f.Object] = true
		}
	}
	if r.code != 1 || !missed["HelmRelease/home/locker"] || !missed["HelmRelease/home/web"] {
		t.Errorf("exit %d, missed %v", r.code, missed)
	}
}

// allFindings are those of the repo and of its layers.
func allFindings(r report.Report) []finding.Finding {
	out := slices.Clone(r.Findings)
	for _, l := range r.Layers {
		out = append(out, l.Findings...)
	}
	return out
}
