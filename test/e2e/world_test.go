package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/secrets"
	"seatrial.dev/seatrial/test/internet"
)

// gitHost serves a bare repository with a branch and a tag.
func (w *world) gitHost(t *testing.T, host string, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	writeFiles(t, dir, files)
	for _, args := range [][]string{
		{"init", "-q", "-b", "main", "."}, {"add", "."},
		{"-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"}, {"tag", "v1"},
	} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	w.Handle(host, (&gitrepo.Snapshot{GitDir: filepath.Join(dir, ".git")}).Handler())
}

// outsideRepo is a repo that takes something from everywhere, and the file with its key.
func (w *world) repo(t *testing.T, user string) (dir, key string) {
	t.Helper()
	template := internet.Files{"templates/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  text: {{ required \"a text, please\" .Values.text }}\n"}
	thing := internet.Chart("thing", "1.0.0", template)
	w.Handle("charts.example.org", internet.Helm(map[string][]byte{"thing-1.0.0.tgz": thing}, "downloads.example.net", "robot", password))
	w.Handle("downloads.example.net", internet.Helm(map[string][]byte{"thing-1.0.0.tgz": thing}, "", "", ""))
	w.Handle("aquasecurity.github.io", internet.Helm(map[string][]byte{"trivy-0.22.0.tgz": internet.Chart("trivy", "0.22.0", template)}, "", "", ""))
	w.gitHost(t, "git.example.org", map[string]string{
		"b/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-git, namespace: default}\n",
	})
	w.gitHost(t, "bases.example.org", map[string]string{
		"base/kustomization.yaml": "resources: [cm.yaml]\n",
		"base/cm.yaml":            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-base, namespace: default}\n",
	})
	w.Handle("s3.example.org", internet.Bucket("manifests", "AKIAROBOT", internet.Files{"cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-bucket, namespace: default}\n"}))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.registry.PushChart("acme/charts/thing", "1.0.0", thing))
	must(w.registry.PushBundle("acme/pkg", "1.0.0", internet.Files{"config/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-package, namespace: default}\n"}))
	must(w.registry.PushBundle("acme/packages", "1.0.0", internet.Files{
		"packages/p/metadata.yaml": "apiVersion: data.packaging.carvel.dev/v1alpha1\nkind: PackageMetadata\nmetadata: {name: p.acme.org}\nspec: {displayName: p, shortDescription: p}\n",
		"packages/p/1.0.0.yaml": `apiVersion: data.packaging.carvel.dev/v1alpha1
kind: Package
metadata: {name: p.acme.org.1.0.0}
spec:
  refName: p.acme.org
  version: 1.0.0
  template: {spec: {fetch: [{imgpkgBundle: {image: "registry.example.org/acme/pkg:1.0.0"}}], template: [{ytt: {paths: [config/]}}], deploy: [{kapp: {}}]}}
`}))
	dir, key = t.TempDir(), filepath.Join(t.TempDir(), "age.agekey")
	k, err := secrets.NewKey()
	must(err)
	must(os.WriteFile(key, k.Text(), 0o600))
	docker := fmt.Sprintf(`{"auths":{"registry.example.org":{"username":%q,"password":%q}}}`, user, password)
	secret := fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: flux-system}\nstringData: {username: %q, password: %q}\n", user, password)
	for name, text := range map[string]string{
		"secrets/login.yaml":  secret,
		"secrets/bucket.yaml": fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: bucket, namespace: flux-system}\nstringData: {accesskey: AKIAROBOT, secretkey: %q}\n", password),
		"secrets/docker.yaml": fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: docker, namespace: flux-system}\ntype: kubernetes.io/dockerconfigjson\nstringData: {.dockerconfigjson: '%s'}\n", docker),
	} {
		encrypted, err := secrets.Encrypt([]byte(text), k.Recipients(), "^(data|stringData)$")
		must(err)
		writeFiles(t, dir, map[string]string{name: string(encrypted)})
	}
	writeFiles(t, dir, map[string]string{
		"clusters/prod/layers.yaml": outsideLayers, "sources/sources.yaml": outsideSources, "releases/releases.yaml": outsideReleases,
		"remote/kustomization.yaml": "resources:\n- https://bases.example.org/acme.git//base?ref=v1\n",
	})
	return dir, key
}

const outsideLayers = `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: secrets, namespace: flux-system}
spec: {interval: 10m, path: ./secrets, prune: true, wait: true, timeout: 1m, sourceRef: {kind: GitRepository, name: flux-system}, decryption: {provider: sops, secretRef: {name: sops-age}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: sources, namespace: flux-system}
spec: {interval: 10m, path: ./sources, prune: true, wait: true, timeout: 1m, sourceRef: {kind: GitRepository, name: flux-system}, dependsOn: [{name: secrets}]}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: releases, namespace: flux-system}
spec: {interval: 10m, path: ./releases, prune: true, wait: true, timeout: 2m, sourceRef: {kind: GitRepository, name: flux-system}, dependsOn: [{name: sources}]}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: foreign, namespace: flux-system}
spec: {interval: 10m, path: ./b, prune: true, wait: true, timeout: 1m, sourceRef: {kind: GitRepository, name: other}, dependsOn: [{name: sources}]}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: bucket, namespace: flux-system}
spec: {interval: 10m, path: ./, prune: true, wait: true, timeout: 1m, sourceRef: {kind: Bucket, name: manifests}, dependsOn: [{name: sources}]}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: remote, namespace: flux-system}
spec: {interval: 10m, path: ./remote, prune: true, wait: true, timeout: 1m, sourceRef: {kind: GitRepository, name: flux-system}}
`

const outsideSources = `apiVersion: source.toolkit.fluxcd.io/v1
kind: Bucket
metadata: {name: manifests, namespace: flux-system}
spec: {interval: 10m, endpoint: s3.example.org, bucketName: manifests, region: us-east-1, secretRef: {name: bucket}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: charts, namespace: flux-system}
spec: {interval: 10m, url: "https://charts.example.org/stable", secretRef: {name: login}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: oci, namespace: flux-system}
spec: {interval: 10m, type: oci, url: "oci://registry.example.org/acme/charts", secretRef: {name: docker}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: aqua, namespace: flux-system}
spec: {interval: 10m, url: "https://aquasecurity.github.io/helm-charts"}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: thing, namespace: flux-system}
spec: {interval: 10m, url: "oci://registry.example.org/acme/charts/thing", ref: {tag: 1.0.0}, secretRef: {name: docker}, layerSelector: {mediaType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip", operation: copy}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: other, namespace: flux-system}
spec: {interval: 10m, url: "https://git.example.org/other.git", ref: {branch: main}}
---
apiVersion: packaging.carvel.dev/v1alpha1
kind: PackageRepository
metadata: {name: acme, namespace: tkg-system}
spec: {fetch: {imgpkgBundle: {image: "registry.example.org/acme/packages:1.0.0"}}}
`

const outsideReleases = `apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: http, namespace: flux-system}
spec: {interval: 10m, chart: {spec: {chart: thing, version: "1.x", sourceRef: {kind: HelmRepository, name: charts}}}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: oci, namespace: flux-system}
spec: {interval: 10m, chart: {spec: {chart: thing, version: "1.0.0", sourceRef: {kind: HelmRepository, name: oci}}}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: ref, namespace: flux-system}
spec: {interval: 10m, chartRef: {kind: OCIRepository, name: thing}, values: {text: hi}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: trivy, namespace: flux-system}
spec: {interval: 10m, chart: {spec: {chart: trivy, version: "0.22.0", sourceRef: {kind: HelmRepository, name: aqua}}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: installer, namespace: flux-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: installer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: installer, namespace: flux-system}]
---
apiVersion: packaging.carvel.dev/v1alpha1
kind: PackageInstall
metadata: {name: p, namespace: flux-system}
spec: {serviceAccountName: installer, packageRef: {refName: p.acme.org, versionSelection: {constraints: 1.0.0}}}
`
