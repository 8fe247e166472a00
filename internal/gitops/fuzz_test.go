package gitops

import (
	"testing"
	"testing/fstest"
)

// Whatever a file holds, reading it, finding clusters and building layers ends, and does not panic.
func FuzzRepo(f *testing.F) {
	seeds := []string{
		sourcesYAML, configMapYAML("a", "${x:=y}"), layerYAML("apps", "apps", "  postBuild: {substitute: {x: y}, substituteFrom: [{kind: Secret, name: s}]}\n  decryption: {provider: sops, secretRef: {name: k}}\n  patches: [{patch: '[]'}]\n  components: [../c]\n"),
		"apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nmetadata: {name: flux}\nspec: {sync: {url: u, path: apps}, components: [a]}\n",
		"apiVersion: source.extensions.fluxcd.io/v1beta1\nkind: ArtifactGenerator\nmetadata: {name: g, namespace: flux-system}\nspec: {sources: [{alias: r, kind: GitRepository, name: flux-system}], artifacts: [{name: s, copy: [{from: '@r/**', to: '@artifact/'}]}]}\n",
		"resources: [a.yaml, ../x]\nnamePrefix: p-\nreplacements: [{source: {kind: A}, targets: [{select: {kind: B}, fieldPaths: [a.b]}]}]\n", "releases: [{name: a, chart: b}]\n", "&a [*a]\n", "a: &b {<<: *b}\n",
	}
	for _, a := range seeds {
		for _, b := range []string{"", "resources: [x.yaml]\n"} {
			f.Add([]byte(a), []byte(b), []byte("*.md\n!/apps\n"))
		}
	}
	f.Fuzz(func(t *testing.T, one, two, ignore []byte) {
		tree := fstest.MapFS{
			"clusters/a/one.yaml": {Data: one}, "apps/one.yaml": {Data: one}, "apps/two/kustomization.yaml": {Data: two}, "apps/two/x.yaml": {Data: one},
			".sourceignore": {Data: ignore}, "clusters/a/apps.yaml": {Data: []byte(layerYAML("apps", "apps", ""))},
		}
		read, err := Read(tree)
		if err != nil {
			return // .sops.yaml alone is an error
		}
		clusters, err := read.Find("")
		if err != nil {
			return
		}
		for _, c := range clusters {
			r := read.Repo(c, Options{})
			r.PlainSecrets()
			r.Addresses()
			r.Cycles()
			for _, d := range r.Documents() {
				r.Plain(d)
			}
		}
	})
}
