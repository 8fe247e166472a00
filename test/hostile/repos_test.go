package hostile

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// repos are functions that write a repo into a new folder: one repo with all attacks,
// and one with a few.
var repos = map[string]func(dir string) error{
	"all":    func(dir string) error { return reaching(dir, layers()) },
	"egress": func(dir string) error { return reaching(dir, portLayers()) },
	"few": func(dir string) error {
		return reaching(dir, slices.DeleteFunc(layers(), func(l layer) bool {
			return !slices.Contains([]string{"fetch-absolute-4", "fetch-absolute-5", "fetch-http-loopback", "source-git"}, l.name)
		}))
	},
}

// layer is one hostile Kustomization: files by name, below its folder.
type layer struct {
	name  string
	files map[string]string
	// allowed says that the layer may reconcile, as what it tries is refused without an error.
	allowed bool
	// wait has Flux wait until its objects are ready.
	wait bool
	// after is the layer that it depends on; empty: base.
	after string
}

// app is a Carvel App in the namespace hostile.
func app(name, spec string) map[string]string {
	return map[string]string{"app.yaml": fmt.Sprintf(`apiVersion: kappctrl.k14s.io/v1alpha1
kind: App
metadata: {name: %s, namespace: hostile}
spec:
  serviceAccountName: hostile
  syncPeriod: 1m
%s`, name, indent(spec))}
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ") + "\n"
}

const deploy = "deploy: [{kapp: {}}]\n"

const inline = "{inline: {paths: {a.yaml: \"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: hostile}}\"}}}"

// layers returns layers that try to reach the machine, each in another way.
func layers() []layer {
	return slices.Concat(carvelPaths(), carvelFetches(), carvelTools(), kustomizations(), sourceLayers())
}

// carvelPaths name files of the machine to vendir, ytt, Helm and kapp.
func carvelPaths() []layer {
	var out []layer
	for i, dir := range []string{"/etc", "/usr/local", "/state", "/engine", "/home/user", "/srv/canary"} {
		add(&out, fmt.Sprintf("fetch-absolute-%d", i), app(fmt.Sprintf("fetch-absolute-%d", i), fmt.Sprintf("fetch:\n- %s\n- {inline: {paths: {a.yaml: \"\"}}, path: %s}\ntemplate: [{ytt: {}}]\n%s", inline, dir, deploy)))
	}
	add(&out, "fetch-upwards", app("fetch-upwards", fmt.Sprintf("fetch:\n- %s\n- {inline: {paths: {a.yaml: \"\"}}, path: ../../../../../../../../../srv/canary}\ntemplate: [{ytt: {}}]\n%s", inline, deploy)))
	add(&out, "inline-upwards", app("inline-upwards", "fetch: [{inline: {paths: {../../../../../../../srv/canary/planted.yaml: \"x: y\"}}}]\ntemplate: [{ytt: {}}]\n"+deploy))
	for name, file := range map[string]string{"ssh": "/home/user/.ssh/id_ed25519", "yaml": "/srv/canary/secret.yaml", "admin": "/state/controlplane/cluster/admin.kubeconfig", "proc": "/proc/1/root/srv/canary/secret.yaml"} {
		add(&out, "ytt-paths-"+name, app("ytt-paths-"+name, fmt.Sprintf("fetch: [%s]\ntemplate: [{ytt: {paths: [%s]}}]\n%s", inline, file, deploy)))
		add(&out, "values-path-"+name, app("values-path-"+name, fmt.Sprintf("fetch: [%s]\ntemplate: [{ytt: {valuesFrom: [{path: %s}]}}]\n%s", inline, file, deploy)))
	}
	add(&out, "helm-path", app("helm-path", fmt.Sprintf("fetch: [%s]\ntemplate: [{helmTemplate: {path: /srv/canary}}]\n%s", inline, deploy)))
	for name, option := range map[string]string{"file": "--file=/srv/canary/secret.yaml", "kubeconfig": "--kubeconfig=/state/controlplane/cluster/admin.kubeconfig"} {
		add(&out, "kapp-"+name, app("kapp-"+name, fmt.Sprintf("fetch: [%s]\ntemplate: [{ytt: {}}]\ndeploy: [{kapp: {rawOptions: [%s]}}]\n", inline, option)))
	}
	return out
}

// carvelFetches have kapp-controller fetch from where nothing may be reached.
func carvelFetches() []layer {
	var out []layer
	for name, git := range map[string]string{
		"file": "url: file:///home/user/private.git, ref: origin/main", "plain": "url: /home/user/private.git, ref: origin/main",
		"own": "url: file:///state/repo.git, ref: origin/rehearsal", "ext": `url: "ext::sh -c 'touch /srv/canary/ran'", ref: origin/main`,
		"option": `url: "--upload-pack=touch /srv/canary/ran", ref: origin/main`, "option-ref": `url: http://127.0.0.1:8080/x.git, ref: "--upload-pack=touch /srv/canary/ran"`,
		"ssh": "url: ssh://git@127.0.0.1/x.git, ref: origin/main", "ssh-option": `url: "ssh://-oProxyCommand=touch%20/srv/canary/ran/x", ref: origin/main`,
		"http": "url: http://127.0.0.1:8080/x.git, ref: origin/main", "metadata": "url: http://169.254.169.254/x.git, ref: origin/main", "git": "url: git://127.0.0.1/x.git, ref: origin/main",
	} {
		add(&out, "git-"+name, app("git-"+name, fmt.Sprintf("fetch: [{git: {%s}}]\ntemplate: [{ytt: {}}]\n%s", git, deploy)))
	}
	for name, fetch := range map[string]string{
		"http-loopback": "http: {url: \"http://127.0.0.1:8080/a.yaml\"}", "http-metadata": "http: {url: \"http://169.254.169.254/latest\"}", "http-file": "http: {url: \"file:///srv/canary/secret.yaml\"}",
		"image-loopback": "image: {url: \"127.0.0.1:8080/a/b:c\"}", "bundle-loopback": "imgpkgBundle: {image: \"127.0.0.1:8080/a/b:c\"}", "chart-loopback": "helmChart: {name: x, repository: {url: \"http://127.0.0.1:8080\"}}",
	} {
		add(&out, "fetch-"+name, app("fetch-"+name, fmt.Sprintf("fetch: [{%s}]\ntemplate: [{ytt: {}}]\n%s", fetch, deploy)))
	}
	return out
}

// carvelTools have its tools start programs, load files, or come from a package.
func carvelTools() []layer {
	var out []layer
	add(&out, "kbld-docker", app("kbld-docker", `fetch: [{inline: {paths: {a.yaml: "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: hostile}, spec: {containers: [{name: c, image: built}]}}", b.yaml: "{apiVersion: kbld.k14s.io/v1alpha1, kind: Config, sources: [{image: built, path: /srv/canary, docker: {build: {}}}]}"}}}]
template: [{ytt: {}}, {kbld: {}}]
`+deploy))
	add(&out, "ytt-load", app("ytt-load", "fetch: [{inline: {paths: {a.yaml: \"#@ load(\\\"@ytt:data\\\", \\\"data\\\")\\n--- #@ data.read(\\\"/srv/canary/secret.yaml\\\")\\n\"}}}]\ntemplate: [{ytt: {}}]\n"+deploy))
	add(&out, "package", map[string]string{"package.yaml": `apiVersion: data.packaging.carvel.dev/v1alpha1
kind: Package
metadata: {name: evil.hostile.example.1.0.0, namespace: hostile}
spec:
  refName: evil.hostile.example
  version: 1.0.0
  template:
    spec:
      fetch:
      - ` + inline + `
      - {inline: {paths: {a.yaml: ""}}, path: /opt/canary}
      template: [{ytt: {paths: [/srv/canary/secret.yaml]}}]
      deploy: [{kapp: {}}]
---
apiVersion: packaging.carvel.dev/v1alpha1
kind: PackageInstall
metadata: {name: evil, namespace: hostile}
spec:
  serviceAccountName: hostile
  packageRef: {refName: evil.hostile.example, versionSelection: {constraints: 1.0.0}}
`})
	return out
}

// kustomizations have kustomize read, fetch or run something.
func kustomizations() []layer {
	var out []layer
	for name, base := range map[string]string{
		"loopback": "http://127.0.0.1:8080/base.git?ref=main", "metadata": "http://169.254.169.254/base.git?ref=main", "file": "http://127.0.0.1:8080/a.yaml",
		"disk": "file:///home/user/private.git?ref=main", "upwards": "../../../../../../../../srv/canary", "absolute": "/srv/canary/secret.yaml", "ext": "git::ext::sh -c 'touch /srv/canary/ran'?ref=main",
	} {
		add(&out, "base-"+name, map[string]string{"kustomization.yaml": "resources:\n- " + fmt.Sprintf("%q", base) + "\n"})
	}
	add(&out, "generator", map[string]string{"kustomization.yaml": "namespace: hostile\nconfigMapGenerator:\n- name: stolen\n  files: [../../../../../../../../srv/canary/secret.txt]\n"})
	add(&out, "generator-link", map[string]string{"kustomization.yaml": "namespace: hostile\nconfigMapGenerator:\n- name: stolen\n  files: [link.txt]\n", "link.txt": "-> /srv/canary/secret.txt"})
	add(&out, "plugin", map[string]string{"kustomization.yaml": "generators: [g.yaml]\n", "g.yaml": "apiVersion: x/v1\nkind: X\nmetadata:\n  name: x\n  annotations:\n    config.kubernetes.io/function: |\n      exec: {path: ./run.sh}\n", "run.sh": "#!/bin/sh\ntouch /srv/canary/ran\n"})
	add(&out, "helm-chart", map[string]string{"kustomization.yaml": "helmCharts:\n- name: x\n  repo: http://127.0.0.1:8080\n"})
	return out
}

// sourceLayers are sources of Flux, webhooks and charts that lead to the machine.
func sourceLayers() []layer {
	var out []layer
	for name, source := range map[string]string{
		"git": "GitRepository\nspec: {interval: 1m, url: \"http://127.0.0.1:8080/x.git\"", "git-ssh": "GitRepository\nspec: {interval: 1m, url: \"ssh://git@127.0.0.1/x.git\", secretRef: {name: none}",
		"helm": "HelmRepository\nspec: {interval: 1m, url: \"http://127.0.0.1:8080\"", "oci": "OCIRepository\nspec: {interval: 1m, url: \"oci://127.0.0.1:8080/x\", insecure: true",
		"bucket": "Bucket\nspec: {interval: 1m, endpoint: \"169.254.169.254\", bucketName: x, insecure: true",
	} {
		add(&out, "source-"+name, map[string]string{"source.yaml": fmt.Sprintf("apiVersion: source.toolkit.fluxcd.io/v1\nkind: %s}\nmetadata: {name: evil-%s, namespace: hostile}\n", source, name)})
	}
	for name, url := range map[string]string{
		"name": "http://localhost:8080", "short": "http://127.1:8080", "six": "http://[::1]:8080", "mapped": "http://[::ffff:127.0.0.1]:8080", "nowhere": "http://0.0.0.0:8080",
		"number": "http://2130706433:8080", "hosts": "http://loop.example:8080", "cloud": "https://metadata.google.internal", "meta": "http://meta.example", "svc": "http://x.default.svc",
		"redirect-loopback": "http://redirects.example/loopback", "redirect-metadata": "http://redirects.example/metadata", "redirect-private": "http://redirects.example/private", "redirect-file": "http://redirects.example/file",
	} {
		for _, kind := range []string{"HelmRepository", "GitRepository"} {
			spec := fmt.Sprintf("interval: 1m, url: %q", url)
			layer := "to-" + name + "-" + strings.ToLower(kind[:3])
			add(&out, layer, map[string]string{"source.yaml": fmt.Sprintf("apiVersion: source.toolkit.fluxcd.io/v1\nkind: %s\nspec: {%s}\nmetadata: {name: %s, namespace: hostile}\n", kind, spec, layer)})
		}
	}
	out = append(out, layer{name: "webhook", allowed: true, files: map[string]string{"webhook.yaml": `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: evil}
webhooks:
- name: evil.hostile.example
  failurePolicy: Ignore
  sideEffects: None
  admissionReviewVersions: [v1]
  timeoutSeconds: 1
  clientConfig: {url: "https://127.0.0.1:8443/"}
  rules: [{apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["configmaps"]}]
`}})
	out = append(out, layer{name: "chart-files", files: map[string]string{
		"release.yaml": `apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: evil, namespace: hostile}
spec:
  interval: 1m
  chart: {spec: {chart: ./layers/chart-files/chart, sourceRef: {kind: GitRepository, name: flux-system, namespace: flux-system}, valuesFiles: [../../../../../../srv/canary/secret.yaml]}}
`, "kustomization.yaml": "resources: [release.yaml]\n",
		"chart/Chart.yaml":       "apiVersion: v2\nname: evil\nversion: 1.0.0\n",
		"chart/templates/a.yaml": `{{ .Files.Get "../../../../../../../srv/canary/secret.txt" }}{{ fail "read nothing" }}` + "\n",
	}})
	return out
}

// add adds a layer that is expected to fail.
func add(out *[]layer, name string, files map[string]string) {
	*out = append(*out, layer{name: name, files: files})
}

// portLayers are layers that learn the run's ports, which programs may connect to, and
// have the API server call them at another address.
func portLayers() []layer {
	return []layer{
		{name: "port", wait: true, files: map[string]string{
			"kustomization.yaml": "resources: [release.yaml]\n",
			"release.yaml": `apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: port, namespace: flux-system}
spec: {interval: 1m, chart: {spec: {chart: ./layers/port/chart, sourceRef: {kind: GitRepository, name: flux-system}}}}
`,
			"chart/Chart.yaml": "apiVersion: v2\nname: port\nversion: 1.0.0\n",
			"chart/templates/webhook.yaml": `{{- $url := (lookup "source.toolkit.fluxcd.io/v1" "GitRepository" "flux-system" "flux-system").spec.url }}
{{- $port := int (regexFind "[0-9]{4,5}" (trimPrefix "http://127.0.0.1:" $url)) }}
{{- range $i := until 8 }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: evil-{{ $i }}}
webhooks:
- name: evil.hostile.example
  failurePolicy: Ignore
  sideEffects: None
  admissionReviewVersions: [v1]
  timeoutSeconds: 1
  clientConfig: {url: "https://169.254.169.254:{{ sub $port $i }}/"}
  rules: [{apiGroups: [""], apiVersions: ["*"], operations: ["*"], resources: ["configmaps"]}]
{{- end }}
`,
		}},
		{name: "later", after: "port", files: map[string]string{"later.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: later, namespace: hostile}\n"}},
	}
}

// reaching writes a hostile repo: the given layers, and a Git configuration that would
// run programs.
func reaching(dir string, layers []layer) error {
	files := map[string]string{
		"layers/base/base.yaml": `apiVersion: v1
kind: Namespace
metadata: {name: hostile}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: hostile, namespace: hostile}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: hostile, namespace: hostile}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
subjects: [{kind: ServiceAccount, name: hostile, namespace: hostile}]
`,
		"clusters/prod/base.yaml": kustomization("base", ""),
		".gitattributes":          "* filter=f\n",
	}
	for _, l := range layers {
		for name, text := range l.files {
			files["layers/"+l.name+"/"+name] = text
		}
		files["clusters/prod/"+l.name+".yaml"] = kustomization(l.name, cmp.Or(l.after, "base")) + fmt.Sprintf("  wait: %t\n", l.wait)
	}
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			if err := os.Symlink(to, file); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main", "."}, {"add", "-A"}, {"-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %v: %w\n%s", args, err, out)
		}
	}
	config := "\n[core]\n\tfsmonitor = \"touch /srv/canary/ran-fsmonitor; true\"\n[filter \"f\"]\n\tclean = \"touch /srv/canary/ran-clean; cat\"\n\tsmudge = \"touch /srv/canary/ran-smudge; cat\"\n\trequired = true\n"
	f, err := os.OpenFile(filepath.Join(dir, ".git/config"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(config); err != nil {
		return err
	}
	// Uncommitted, so that git has to look at files.
	return os.WriteFile(filepath.Join(dir, "layers/base/base.yaml"), []byte(files["layers/base/base.yaml"]+"# changed\n"), 0o644)
}

func kustomization(name, dependsOn string) string {
	if dependsOn != "" {
		dependsOn = "  dependsOn: [{name: " + dependsOn + "}]\n"
	}
	return fmt.Sprintf(`apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: %s, namespace: flux-system}
spec:
%s  interval: 10m
  retryInterval: 1m
  timeout: 1m
  prune: true
  path: ./layers/%[1]s
  sourceRef: {kind: GitRepository, name: flux-system}
`, name, dependsOn)
}
