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

// sliced is a repo whose layers but the first are built from slices that ArtifactGenerators make of it, and whose
// release has its chart from one.
func sliced() map[string]string {
	layer := func(name, rest string) string {
		return "---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: " + name + ", namespace: flux-system}\nspec: {interval: 1h, prune: true, wait: true, sourceRef: {kind: ExternalArtifact, name: " + name + "}, " + rest + "}\n"
	}
	return map[string]string{
		"clusters/prod/slices.yaml": `apiVersion: source.extensions.fluxcd.io/v1beta1
kind: ArtifactGenerator
metadata:
  name: slices
  namespace: flux-system
spec:
  sources:
  - {alias: repo, kind: GitRepository, name: flux-system}
  artifacts:
  - name: base
    originRevision: "@repo"
    copy:
    - from: "@repo/base/**"
      to: "@artifact/"
      exclude: ["*.md", "drafts/**"]
  - name: web
    revision: "@repo"
    copy:
    - from: "@repo/apps/web"
      to: "@artifact/apps/"
`,
		"clusters/prod/charts.yaml": `apiVersion: source.extensions.fluxcd.io/v1beta1
kind: ArtifactGenerator
metadata: {name: charts, namespace: flux-system}
spec:
  sources: [{alias: repo, kind: GitRepository, name: flux-system}]
  pathPattern: "@repo/charts/{chart}"
  artifacts:
  - name: "chart-{chart}"
    copy: [{from: "@repo/charts/{chart}", to: "@artifact/"}]
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: greeter, namespace: flux-system}
spec: {interval: 1h, chartRef: {kind: ExternalArtifact, name: chart-greeter}}
`,
		"charts/greeter/Chart.yaml":             "apiVersion: v2\nname: greeter\nversion: 1.0.0\n",
		"charts/greeter/templates/greeter.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\n",
		"clusters/prod/layers.yaml":             layer("base", "path: ./") + layer("web", "path: ./apps/web, dependsOn: [{name: base}]"),
		"base/all.yaml":                         "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n",
		"base/README.md":                        "not: [a manifest",
		"base/drafts/broken.yaml":               "apiVersion: nowhere.example.com/v1\nkind: Draft\nmetadata: {name: draft}\n",
		"apps/web/web.yaml":                     "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: motd, namespace: web}\ndata: {text: hello}\n",
	}
}

// Layers are built from the slices that the real source-watcher makes of the repo: what it excludes is not there.
func TestGeneratedSlicesPass(t *testing.T) {
	t.Parallel()
	dir, logs := t.TempDir(), t.TempDir()
	writeFiles(t, dir, sliced())
	r := verify(t, dir, "--path", "clusters/prod", "--logs", logs)
	if r.code != 0 || r.report.Verdict != verdict.Pass || len(r.report.Findings) > 0 {
		t.Errorf("exit %d, verdict %q: %+v", r.code, r.report.Verdict, r.report.Findings)
	}
	for _, name := range []string{"base", "web"} {
		if l := layerOf(t, r, name); l.Status != verdict.Reconciled || l.Objects != 1 {
			t.Errorf("layer %s: %+v", name, l)
		}
	}
	if _, err := os.Stat(filepath.Join(logs, "source-watcher.log")); err != nil {
		t.Error(err)
	}
}

// A copy of what is not there is told at the generator, once; the layer that is built from it waits, and the
// layer whose slice was made is reconciled.
func TestSliceOfNothingFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := sliced()
	files["clusters/prod/slices.yaml"] = strings.Replace(files["clusters/prod/slices.yaml"], "@repo/apps/web", "@repo/apps/wbe", 1)
	writeFiles(t, dir, files)
	r := verify(t, dir, "--path", "clusters/prod")
	if r.code != 1 || r.report.Verdict != verdict.Fail || finding.Errors(r.report.Findings) != 1 {
		t.Errorf("exit %d, verdict %q: %+v", r.code, r.report.Verdict, r.report.Findings)
	}
	if !slices.ContainsFunc(r.report.Findings, func(f finding.Finding) bool {
		return f.Code == finding.NotGenerated && f.Layer == "flux-system" && f.Object == "ArtifactGenerator/flux-system/slices" && f.Where() == "clusters/prod/slices.yaml:2" &&
			strings.Contains(f.Message, "can't make the artifact web: copy from @repo/apps/wbe: source 'apps/wbe' does not exist")
	}) {
		t.Errorf("got %+v", r.report.Findings)
	}
	if l := layerOf(t, r, "base"); l.Status != verdict.Reconciled {
		t.Errorf("layer base: %+v", l)
	}
	if l := layerOf(t, r, "web"); l.Status != verdict.Blocked || l.Message != "waits for ArtifactGenerator/flux-system/slices" {
		t.Errorf("layer web: %+v", l)
	}
}

// Where the repo's own Flux has no source-watcher, the cluster would not know its generators.
func TestGeneratorWithoutSourceWatcherFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := sliced()
	files["clusters/prod/flux-system/gotk-components.yaml"] = `apiVersion: apps/v1
kind: Deployment
metadata: {name: source-controller, namespace: flux-system}
spec:
  selector: {matchLabels: {app: source-controller}}
  template:
    metadata: {labels: {app: source-controller}}
    spec: {containers: [{name: manager, image: ghcr.io/fluxcd/source-controller:v1.9.5}]}
`
	writeFiles(t, dir, files)
	r := verify(t, dir, "--path", "clusters/prod")
	if r.code != 1 || !slices.ContainsFunc(r.report.Findings, func(f finding.Finding) bool {
		return f.Code == finding.UnknownKind && strings.HasPrefix(f.Object, "ArtifactGenerator/flux-system/") && strings.Contains(f.Fix, "--components-extra=source-watcher")
	}) {
		t.Errorf("exit %d: %+v", r.code, r.report.Findings)
	}
}

// layerOf is a layer of a report.
func layerOf(t *testing.T, r run, name string) report.Layer {
	t.Helper()
	i := slices.IndexFunc(r.report.Layers, func(l report.Layer) bool { return l.Name == name })
	if i < 0 {
		t.Fatalf("no layer %s: %+v", name, r.report.Layers)
	}
	return r.report.Layers[i]
}
