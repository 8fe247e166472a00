package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/verdict"
)

// home is a repo as many keep for their own cluster: Flux by a FluxInstance, one Kustomization that patches all others,
// apps of the same name in several namespaces, and a bootstrap step that makes what comes before.
func home() map[string]string {
	app := func(namespace, name, more string) string {
		return fmt.Sprintf("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: %s, namespace: %s}\nspec: {interval: 1h, prune: true, path: ./kubernetes/apps/%s/%s, targetNamespace: %s, sourceRef: {kind: GitRepository, name: flux-system, namespace: flux-system}%s}\n", name, namespace, namespace, name, namespace, more)
	}
	release := func(name, values string) string {
		return fmt.Sprintf(`apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: %[1]s}
spec: {interval: 1h, url: oci://ghcr.io/bjw-s-labs/helm/app-template, layerSelector: {mediaType: application/vnd.cncf.helm.chart.content.v1.tar+gzip, operation: copy}, ref: {tag: 4.6.2}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: %[1]s}
spec:
  interval: 1h
  chartRef: {kind: OCIRepository, name: %[1]s}
  values:
    controllers:
      %[1]s:
        containers:
          app: {image: {repository: docker.io/library/nginx, tag: 1.27.0}%[2]s}
    service: {app: {controller: %[1]s, ports: {http: {port: 80}}}}
`, name, values)
	}
	return map[string]string{
		"bootstrap/helmfile.yaml":       "releases:\n- {name: external-secrets, namespace: external-secrets, chart: oci://ghcr.io/external-secrets/charts/external-secrets}\n- {name: cert-manager, namespace: cert-manager, chart: oci://quay.io/jetstack/charts/cert-manager}\n",
		"bootstrap/resources.yaml":      "apiVersion: v1\nkind: Secret\nmetadata: {name: sops-age, namespace: flux-system}\nstringData: {age.agekey: 'op://vault/age'}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: flux-system}\nstringData: {token: 'op://vault/login'}\n",
		"talos/patches/apiserver.yaml":  "cluster:\n  apiServer:\n    extraArgs:\n      feature-gates: HPAScaleToZero=true\n",
		"kubernetes/flux/cluster/a.yml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: cluster-apps, namespace: flux-system}\nspec:\n  interval: 1h\n  path: ./kubernetes/apps\n  prune: true\n  sourceRef: {kind: GitRepository, name: flux-system}\n  decryption: {provider: sops, secretRef: {name: sops-age}}\n  patches:\n  - target: {group: kustomize.toolkit.fluxcd.io, kind: Kustomization}\n    patch: |\n      apiVersion: kustomize.toolkit.fluxcd.io/v1\n      kind: Kustomization\n      metadata: {name: _}\n      spec:\n        decryption: {provider: sops, secretRef: {name: sops-age}}\n        postBuild: {substituteFrom: [{kind: Secret, name: cluster-secrets}]}\n",
		// Kustomizations take variables from their own namespace, so something has to put it there.
		"kubernetes/components/secrets/kustomization.yaml":        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [secret.yaml]\n",
		"kubernetes/components/secrets/secret.yaml":               "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: cluster-secrets}\nspec: {target: {name: cluster-secrets}}\n",
		"kubernetes/apps/kustomization.yaml":                      "resources: [flux-system, media, security]\n",
		"kubernetes/apps/flux-system/kustomization.yaml":          "resources: [ks.yaml]\n",
		"kubernetes/apps/flux-system/ks.yaml":                     strings.Replace(app("flux-system", "instance", ""), "prune: true", "prune: false", 1) + "---\napiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: cluster-secrets, namespace: flux-system}\nspec: {target: {name: cluster-secrets}}\n",
		"kubernetes/apps/flux-system/instance/instance.yaml":      "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: flux-instance}\nspec: {interval: 1h, chartRef: {kind: OCIRepository, name: flux-instance}, values: {instance: {sync: {kind: GitRepository, url: 'https://git.example.com/me/home.git', ref: refs/heads/main, path: kubernetes/flux/cluster}}}}\n---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {name: flux-instance}\nspec: {interval: 1h, url: oci://ghcr.io/controlplaneio-fluxcd/charts/flux-instance, ref: {tag: 0.58.1}}\n",
		"kubernetes/apps/media/kustomization.yaml":                "namespace: media\ncomponents: [../../components/secrets]\nresources: [namespace.yaml, web.yaml]\n",
		"kubernetes/apps/media/namespace.yaml":                    "apiVersion: v1\nkind: Namespace\nmetadata: {name: media}\n",
		"kubernetes/apps/media/web.yaml":                          app("media", "web", ", dependsOn: [{name: issuer, namespace: security}]"),
		"kubernetes/apps/media/web/web.yaml":                      release("web", ", env: {DOMAIN: '${SECRET_DOMAIN}'}"),
		"kubernetes/apps/media/web/hpa.yaml":                      "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec: {minReplicas: 0, maxReplicas: 1, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, metrics: [{type: External, external: {metric: {name: x}, target: {type: Value, value: '1'}}}]}\n",
		"kubernetes/apps/security/kustomization.yaml":             "namespace: security\ncomponents: [../../components/secrets]\nresources: [namespace.yaml, issuer.yaml, web.yaml]\n",
		"kubernetes/apps/security/namespace.yaml":                 "apiVersion: v1\nkind: Namespace\nmetadata: {name: security}\n",
		"kubernetes/apps/security/issuer.yaml":                    app("security", "issuer", ", healthChecks: [{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, name: acme}], healthCheckExprs: [{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, current: \"status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')\"}]"),
		"kubernetes/apps/security/issuer/issuer.yaml":             "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: acme}\nspec: {acme: {email: 'me@${SECRET_DOMAIN}'}}\n",
		"kubernetes/apps/security/web.yaml":                       app("security", "web", ""),
		"kubernetes/apps/security/web/kustomization.yaml":         "resources: [web.yaml, pod.yaml]\n",
		"kubernetes/apps/security/web/web.yaml":                   release("web", ""),
		"kubernetes/apps/security/web/pod.yaml":                   "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: gpu}\nspec: {selector: {matchLabels: {app: gpu}}, template: {metadata: {labels: {app: gpu}}, spec: {nodeSelector: {example.com/gpu: 'true'}, containers: [{name: c, image: 'nginx:1.27.0', resources: {limits: {example.com/gpu: 1}}}]}}}\n",
		"kubernetes/apps/security/web/not-of-the-cluster/x.yaml":  "apiVersion: nobody.example.com/v1\nkind: Draft\nmetadata: {name: x}\n",
		"kubernetes/apps/media/web/kustomization.yaml":            "resources: [web.yaml, hpa.yaml]\n",
		"kubernetes/apps/security/issuer/kustomization.yaml":      "resources: [issuer.yaml]\n",
		"kubernetes/apps/flux-system/instance/kustomization.yaml": "resources: [instance.yaml]\n",
		"kubernetes/apps/security/not-yet/kustomization.yaml":     "resources: [gone.yaml]\n",
		".github/workflows/e2e.yaml":                              "on: push\njobs: {}\n",
	}
}

// Such a repo is found, read, and passes without a flag. What it leans on is listed.
func TestHomeRepoPassesWithoutAFlag(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFiles(t, dir, home())
	if r := command(t, nil, "check", dir, "-o", "json"); r.code != 0 || !strings.Contains(r.stdout, `"findings": []`) {
		t.Errorf("check: exit %d, %s%s", r.code, r.stdout, r.stderr)
	}
	r := verify(t, dir)
	if r.code != 0 || r.report.Verdict != verdict.Pass || finding.Errors(r.report.Findings) > 0 || len(r.report.Layers) != 6 {
		t.Errorf("exit %d, verdict %q, %d layers: %+v", r.code, r.report.Verdict, len(r.report.Layers), r.report.Findings)
	}
	told := fmt.Sprint(r.report.Assumptions)
	for _, want := range []string{
		"Helm release cert-manager", "Helm release external-secrets", "Secret/flux-system/login", "Secret/media/cluster-secrets", "a node with example.com/gpu=true",
		"node resource example.com/gpu", "HPAScaleToZero",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("%s is not among the assumptions: %s", want, told)
		}
	}
}

// What the repo does not say of its cluster is not taken for granted, and what it brings too late is no assumption.
func TestHomeRepoFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(map[string]string)
		object string
		says   string
	}{
		"the feature gate is off": {func(f map[string]string) { delete(f, "talos/patches/apiserver.yaml") }, "HorizontalPodAutoscaler/media/web", "HPAScaleToZero"},
		"nothing brings the kind": {func(f map[string]string) {
			f["bootstrap/helmfile.yaml"] = strings.SplitAfter(f["bootstrap/helmfile.yaml"], "\n- {name: cert-manager")[0]
			f["bootstrap/helmfile.yaml"] = strings.TrimSuffix(f["bootstrap/helmfile.yaml"], "\n- {name: cert-manager") + "\n"
		}, "ClusterIssuer/security/acme", "cert-manager.io/v1 ClusterIssuer"},
		"a misspelt source": {func(f map[string]string) {
			f["kubernetes/apps/security/web/web.yaml"] = strings.Replace(f["kubernetes/apps/security/web/web.yaml"], "kind: OCIRepository, name: web}", "kind: OCIRepository, name: wbe}", 1)
		}, "HelmRelease/security/web", "wbe"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files := home()
			c.change(files)
			writeFiles(t, dir, files)
			r := verify(t, dir)
			if r.code != 1 || !slices.ContainsFunc(r.report.Findings, func(f finding.Finding) bool {
				return f.Severity == finding.Error && f.Object == c.object && strings.Contains(f.Message+f.Evidence, c.says)
			}) {
				t.Errorf("exit %d: %+v", r.code, r.report.Findings)
			}
		})
	}
}

// Each cluster of a repo is rehearsed, with one report and the worst exit code.
func TestSeveralClusters(t *testing.T) {
	t.Parallel()
	layer := "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\nspec: {interval: 1h, prune: true, path: ./PATH, sourceRef: {kind: GitRepository, name: flux-system}}\n"
	files := map[string]string{
		"clusters/a/apps.yaml": strings.Replace(layer, "PATH", "apps", 1), "clusters/b/apps.yaml": strings.Replace(layer, "PATH", "gone", 1),
		"apps/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: default}\n",
	}
	dir := t.TempDir()
	writeFiles(t, dir, files)
	for _, jobs := range []string{"1", "2"} {
		out := filepath.Join(t.TempDir(), "report.json")
		r := command(t, nil, "verify", dir, "--jobs", jobs, "--report", out, "--logs", filepath.Join(t.TempDir(), "logs"))
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		var list report.List
		if err := json.Unmarshal(b, &list); err != nil {
			t.Fatal(err)
		}
		if r.code != 1 || list.Kind != report.ListKind || list.Verdict != verdict.Fail || len(list.Items) != 2 || list.Items[0].Path != "clusters/a" || list.Items[0].Verdict != verdict.Pass || list.Items[1].Verdict != verdict.Fail {
			t.Errorf("jobs %s: exit %d, %s\n%s", jobs, r.code, b, r.stderr)
		}
		if !strings.Contains(r.stdout, "Summary: fail: 2 clusters (clusters/a pass, clusters/b fail); 3 of 4 layers reconciled") {
			t.Errorf("jobs %s: %s", jobs, r.stdout)
		}
	}
	// What is declared comes first, and is enough.
	writeFiles(t, dir, map[string]string{".seatrial.yaml": "apiVersion: seatrial.dev/v1alpha1\nkind: Rehearsal\nclusters: [{path: clusters/a}]\n"})
	if r := verify(t, dir); r.code != 0 || r.report.Path != "clusters/a" {
		t.Errorf("declared: exit %d, %+v", r.code, r.report)
	}
}
