package gitops

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME, namespace: d}\ndata: {v: 'VALUE'}\n"

func configMapYAML(name, value string) string {
	return strings.NewReplacer("NAME", name, "VALUE", value).Replace(configMap)
}

func TestClustersOfEachShape(t *testing.T) {
	instance := func(head string) string {
		return head + "sync: {kind: GitRepository, url: 'https://git.example.com/a/b.git', ref: refs/heads/main, path: kubernetes/cluster}\n"
	}
	layer := layerYAML("apps", "kubernetes/apps", "")
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"a FluxInstance": {map[string]string{
			"kubernetes/cluster/ks.yaml": layer, "kubernetes/apps/flux/instance.yaml": "apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nmetadata: {name: flux, namespace: flux-system}\nspec: {" + strings.TrimSpace(instance("")) + ", components: [source-controller, image-automation-controller]}\n",
		}, "kubernetes/cluster flux-system/flux-system GitRepository/flux-system/flux-system https://git.example.com/a/b.git main true"},
		"a release of its chart": {map[string]string{
			"kubernetes/cluster/ks.yaml": layer,
			"kubernetes/apps/hr.yaml":    "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: flux-instance}\nspec: {values: {instance: {sync: {url: 'ssh://git@git.example.com/a/b', path: ./kubernetes/cluster, name: home}}}}\n",
		}, "kubernetes/cluster flux-system/home GitRepository/flux-system/home ssh://git@git.example.com/a/b  true"},
		"a file with its values": {map[string]string{
			"kubernetes/cluster/ks.yaml": layer, "kubernetes/apps/helm/values.yaml": "instance:\n  " + instance(""),
		}, "kubernetes/cluster flux-system/flux-system GitRepository/flux-system/flux-system https://git.example.com/a/b.git main true"},
		"an artifact": {map[string]string{
			"clusters/a/ks.yaml": layer, "clusters/a/i.yaml": "apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nmetadata: {name: flux, namespace: flux-system}\nspec: {sync: {kind: OCIRepository, url: 'oci://r.example.com/a', ref: latest, path: clusters/a}}\n",
		}, "clusters/a flux-system/flux-system OCIRepository/flux-system/flux-system oci://r.example.com/a latest true"},
		"a Kustomization over its folder": {map[string]string{
			"kube/flux/repo.yaml": "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: home, namespace: flux-system}\nspec: {url: 'https://git.example.com/a/b', ref: {branch: trunk}}\n---\n" +
				strings.ReplaceAll(layerYAML("0-config", "kube/flux", ""), "name: flux-system}", "name: home}"),
		}, "kube/flux flux-system/0-config GitRepository/flux-system/home https://git.example.com/a/b trunk false"},
		"a source that nothing declares": {map[string]string{
			"clusters/a/ks.yaml": strings.ReplaceAll(layer, "name: flux-system}", "name: home}"),
		}, "clusters/a flux-system/flux-system GitRepository/flux-system/home   false"},
		"the whole repo": {map[string]string{
			"flux-system/gotk-sync.yaml": layerYAML("flux-system", "", ""),
		}, " flux-system/flux-system GitRepository/flux-system/flux-system   false"},
		"a folder that a layer leads to": {map[string]string{
			"kubernetes/flux/cluster/ks.yaml": layerYAML("apps", "kubernetes/flux/apps", ""), "kubernetes/flux/apps/x.yaml": layerYAML("x", "x", ""),
		}, "kubernetes/flux/cluster flux-system/flux-system GitRepository/flux-system/flux-system   false"},
		"said twice": {map[string]string{
			"clusters/a/flux-system/gotk-sync.yaml": layerYAML("flux-system", "clusters/a", ""),
			"clusters/a/i.yaml":                     "apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nmetadata: {name: flux, namespace: flux-system}\nspec: {sync: {url: 'https://git.example.com/a', path: clusters/a}}\n",
		}, "clusters/a flux-system/flux-system GitRepository/flux-system/flux-system   false"},
		"a path that is not there": {map[string]string{
			"apps/i.yaml": "apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nmetadata: {name: flux}\nspec: {sync: {url: 'https://git.example.com/a', path: clusters/gone}}\n",
		}, ""},
	} {
		read, err := Read(tree(c.files))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, k := range read.Clusters() {
			got = append(got, fmt.Sprint(k.Path, " ", k.Root, " ", k.Source.Identity(), " ", k.URL, " ", k.Branch, " ", k.Instance))
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, strings.Join(got, "; "), c.want)
		}
	}
}

func TestDeclaredClustersComeFirst(t *testing.T) {
	read, err := Read(tree(map[string]string{"clusters/a/x.yaml": namespaceYAML, "clusters/b/x.yaml": namespaceYAML, "odd/x.yaml": namespaceYAML}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path     string
		declared []string
		want     string
	}{{"", nil, "clusters/a clusters/b"}, {"", []string{"odd"}, "odd"}, {"clusters/b", []string{"odd"}, "clusters/b"}, {"", []string{"gone"}, ""}} {
		got, err := read.Find(c.path, c.declared...)
		if strings.Join(Paths(got), " ") != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%+v: got %v, %v", c, Paths(got), err)
		}
	}
}

func TestSameRepository(t *testing.T) {
	const one = "https://git.example.com/org/repo"
	for other, want := range map[string]bool{
		"https://git.example.com/org/repo.git": true, "ssh://git@git.example.com:2222/org/repo.git": true, "git@git.example.com:org/repo": true,
		"https://user:token@GIT.example.com/org/repo/": true, "https://git.example.com/org/other": false, "https://example.com/org/repo": false, "": false,
	} {
		if got := SameRepository(other, one); got != want {
			t.Errorf("%q: got %v", other, got)
		}
	}
}

// own is a repo with a second source for itself, and one of somebody else's.
func ownRepo(t *testing.T, o Options, more map[string]string) *Repo {
	t.Helper()
	files := map[string]string{
		"clusters/a/flux-system/gotk-sync.yaml": "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: flux-system, namespace: flux-system}\nspec: {url: 'ssh://git@git.example.com/a/b', ref: {branch: main}}\n---\n" + layerYAML("flux-system", "clusters/a", ""),
		"clusters/a/second.yaml":                "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: second, namespace: flux-system}\nspec:\n  url: https://git.example.com/a/b.git\n  ignore: |\n    /*\n    !/apps\n    /apps/secret\n",
		"clusters/a/third.yaml":                 "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: third, namespace: flux-system}\nspec: {url: 'https://git.example.com/other/b'}\n",
		"clusters/a/ks.yaml": strings.ReplaceAll(layerYAML("apps", "apps", ""), "name: flux-system}", "name: second}") + "---\n" +
			strings.ReplaceAll(layerYAML("theirs", "apps", ""), "name: flux-system}", "name: third}") + "---\n" + layerYAML("whole", "apps", ""),
		"apps/a.yaml": configMapYAML("a", "1"), "apps/secret/b.yaml": configMapYAML("b", "1"), "apps/pictures/c.yaml": configMapYAML("c", "1"),
	}
	for name, text := range more {
		files[name] = text
	}
	read, err := Read(tree(files))
	if err != nil {
		t.Fatal(err)
	}
	c, err := read.Cluster("clusters/a")
	if err != nil {
		t.Fatal(err)
	}
	return read.Repo(c, o)
}

func objectsOf(r *Repo, layer string) string {
	var out []string
	for _, o := range r.Layer(Ref{FluxNamespace, layer}).Objects {
		out = append(out, o.GetName())
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestOwnSourcesSeeWhatTheyTake(t *testing.T) {
	r := ownRepo(t, Options{}, nil)
	if got := objectsOf(r, "apps"); got != "a c" {
		t.Errorf("with its own ignore: got %s", got)
	}
	if got := objectsOf(r, "whole"); got != "a b c" {
		t.Errorf("without: got %s", got)
	}
	if l := r.Layer(Ref{FluxNamespace, "theirs"}); !l.Foreign {
		t.Error("another repository is taken for the repo's own")
	}
	if r := ownRepo(t, Options{Own: []SourceRef{{"GitRepository", FluxNamespace, "third"}}}, nil); r.Layer(Ref{FluxNamespace, "theirs"}).Foreign {
		t.Error("a source that is declared to be the repo's own is not")
	}
	if r := ownRepo(t, Options{URLs: []string{"git@git.example.com:other/b.git"}}, nil); r.Layer(Ref{FluxNamespace, "theirs"}).Foreign {
		t.Error("a source with the address of the clone's remote is not the repo's own")
	}
	r = ownRepo(t, Options{}, map[string]string{".sourceignore": "pictures/\n", "apps/.sourceignore": "!pictures\n/secret\n"})
	if got := objectsOf(r, "whole"); got != "a c" {
		t.Errorf("with .sourceignore: got %s", got)
	}
	if got := strings.Join(r.Addresses(), " "); got != "ssh://git@git.example.com/a/b https://git.example.com/a/b.git" {
		t.Errorf("addresses %s", got)
	}
}

func TestArtifactsOfThePartsOfARepo(t *testing.T) {
	generator := func(copies string) map[string]string {
		return map[string]string{
			"clusters/a/gen.yaml":  "apiVersion: source.extensions.fluxcd.io/v1beta1\nkind: ArtifactGenerator\nmetadata: {name: g, namespace: flux-system}\nspec:\n  sources: [{alias: repo, kind: GitRepository, name: flux-system}, {alias: other, kind: GitRepository, name: third}]\n  artifacts: [{name: slice, copy: " + copies + "}]\n",
			"clusters/a/part.yaml": strings.NewReplacer("kind: GitRepository", "kind: ExternalArtifact", "name: flux-system}", "name: slice}").Replace(layerYAML("part", "in", "")),
		}
	}
	for copies, want := range map[string]string{
		`[{from: "@repo/apps/**", to: "@artifact/in/"}]`:                                                   "a b c",
		`[{from: "@repo/apps/**", to: "@artifact/in/", exclude: ["secret/**"]}]`:                           "a c",
		`[{from: "@repo/apps/a.yaml", to: "@artifact/in/"}]`:                                               "a",
		`[{from: "@repo/apps/a.yaml", to: "@artifact/in/renamed.yaml"}]`:                                   "a",
		`[{from: "@repo/apps/secret", to: "@artifact/in/"}]`:                                               "b",
		`[{from: "@repo/apps/*.yaml", to: "@artifact/in/"}, {from: "@repo/apps/secret", to: "@artifact"}]`: "opaque",
		`[{from: "@repo/apps/**", to: "@artifact/elsewhere/"}]`:                                            "no path",
		`[{from: "@other/apps/**", to: "@artifact/in/"}]`:                                                  "opaque",
		`[{from: "@nobody/apps/**", to: "@artifact/in/"}]`:                                                 "opaque",
		`[{from: "@repo/apps/**", to: "@artifact/in/", strategy: Merge}]`:                                  "opaque",
	} {
		r := ownRepo(t, Options{}, generator(copies))
		l := r.Layer(Ref{FluxNamespace, "part"})
		got := objectsOf(r, "part")
		switch {
		case l.Opaque != "":
			got = "opaque"
		case l.Build != nil && l.Build.NoPath:
			got = "no path"
		}
		if got != want {
			t.Errorf("%s: got %s, want %s (%s %v)", copies, got, want, l.Opaque, l.Build)
		}
		if want == "a" && l.Objects[0].File != "apps/a.yaml" {
			t.Errorf("%s: the object is of %s", copies, l.Objects[0].File)
		}
	}
}

// What is made of itself is known to be nobody's, and ends.
func TestCircularSources(t *testing.T) {
	source := func(name, includes string) string {
		return "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: " + name + ", namespace: flux-system}\nspec: {url: 'https://git.example.com/a/b', include: [{repository: {name: " + includes + "}, toPath: x}]}\n"
	}
	r := ownRepo(t, Options{}, map[string]string{
		"clusters/a/round.yaml": source("one", "two") + "---\n" + source("two", "one") + "---\n" + strings.ReplaceAll(layerYAML("round", "apps", ""), "name: flux-system}", "name: one}"),
		"clusters/a/gen.yaml":   "apiVersion: source.extensions.fluxcd.io/v1beta1\nkind: ArtifactGenerator\nmetadata: {name: g, namespace: flux-system}\nspec: {sources: [{alias: s, kind: ExternalArtifact, name: slice}], artifacts: [{name: slice, copy: [{from: '@s/**', to: '@artifact/'}]}]}\n",
		"clusters/a/part.yaml":  strings.NewReplacer("kind: GitRepository", "kind: ExternalArtifact", "name: flux-system}", "name: slice}").Replace(layerYAML("part", "in", "")),
	})
	for _, name := range []string{"round", "part"} {
		if l := r.Layer(Ref{FluxNamespace, name}); !strings.Contains(l.Opaque, "made of itself") {
			t.Errorf("%s: %q", name, l.Opaque)
		}
	}
}

func TestVariables(t *testing.T) {
	for name, c := range map[string]struct {
		spec, text, more string
		want, build      string
		needs            string
	}{
		"inline":                       {spec: "  postBuild: {substitute: {x: one}}\n", text: "${x} ${y:=two}", want: "one two"},
		"none, so nothing is done":     {text: "${x}", want: "${x}"},
		"always":                       {spec: "  postBuild: {substituteStrategy: Always}\n", text: "${y:=two}", want: "two"},
		"strict":                       {spec: "  postBuild: {substitute: {x: one}}\n", text: "${z}", build: "z"},
		"escaped":                      {spec: "  postBuild: {substitute: {x: one}}\n", text: "$${z}", want: "${z}"},
		"a ConfigMap of a later layer": {spec: "  postBuild: {substituteFrom: [{kind: ConfigMap, name: vars}]}\n", text: "${x}", more: "vars", want: "late"},
		"an optional one that isn't":   {spec: "  postBuild: {substituteFrom: [{kind: ConfigMap, name: gone, optional: true}], substitute: {x: one}}\n", text: "${x}", want: "one"},
		"a Secret of nobody's":         {spec: "  postBuild: {substituteFrom: [{kind: Secret, name: gone}]}\n", text: "${x} ${y:=d} ${z}", want: "placeholder d placeholder", needs: "Secret flux-system/gone x z"},
	} {
		files := map[string]string{
			"clusters/a/apps.yaml": layerYAML("apps", "apps", c.spec), "apps/a.yaml": configMapYAML("a", c.text),
			"apps/b.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, labels: {kustomize.toolkit.fluxcd.io/substitute: disabled}}\ndata: {v: '${untouched}'}\n",
		}
		if c.more != "" {
			files["clusters/a/later.yaml"] = layerYAML("later", "later", "")
			files["later/vars.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: vars, namespace: flux-system}\ndata: {x: late}\n"
		}
		l := load(t, files, "clusters/a").Layer(Ref{FluxNamespace, "apps"})
		got := ""
		for _, o := range l.Objects {
			data, _ := o.Object["data"].(map[string]any)
			if o.GetName() == "a" {
				got = fmt.Sprint(data["v"])
			} else if data["v"] != "${untouched}" {
				t.Errorf("%s: a disabled object was touched: %v", name, data)
			}
		}
		if c.build != "" {
			if l.Build == nil || l.Build.Variable != c.build || l.Build.File != "apps/a.yaml" || l.Build.Line != 2 {
				t.Errorf("%s: got %+v", name, l.Build)
			}
			continue
		}
		var needs []string
		for _, n := range l.Needs {
			needs = append(needs, n.Kind+" "+n.String()+" "+strings.Join(n.Variables, " "))
		}
		if l.Build != nil || got != c.want || strings.Join(needs, "; ") != c.needs {
			t.Errorf("%s: got %q, %v, %v", name, got, needs, l.Build)
		}
	}
}

func TestLayersBelowABrokenOne(t *testing.T) {
	r := load(t, map[string]string{
		"clusters/a/kustomization.yaml": "namespace: flux-system\nresources: [apps.yaml, twice.yaml, broken.yaml]\n",
		"clusters/a/apps.yaml":          layerYAML("apps", "apps", ""), "clusters/a/twice.yaml": layerYAML("apps", "apps", ""), "clusters/a/broken.yaml": "a: [\n",
		"apps/a.yaml": configMapYAML("a", "1"),
	}, "clusters/a")
	if r.Layer(r.Root).Build == nil || r.Layer(Ref{FluxNamespace, "apps"}) == nil || objectsOf(r, "apps") != "a" {
		t.Errorf("got %+v", r.Layers)
	}
}

func TestPathsThatAreLinks(t *testing.T) {
	files := map[string]string{"clusters/a/apps.yaml": layerYAML("apps", "env/apps", ""), "common/a.yaml": configMapYAML("a", "1"), "env/keep": ""}
	read, err := Read(tree(files))
	if err != nil {
		t.Fatal(err)
	}
	read.Link(map[string]string{"env/apps": "../common"})
	c, err := read.Cluster("clusters/a")
	if err != nil {
		t.Fatal(err)
	}
	b := read.Repo(c, Options{}).Layer(Ref{FluxNamespace, "apps"}).Build
	if b == nil || !b.NoPath || b.Link != "env/apps" || b.LinksTo != "../common" {
		t.Errorf("got %+v", b)
	}
	files["env/apps"] = "../common" // as a checkout without links has it
	b = load(t, files, "clusters/a").Layer(Ref{FluxNamespace, "apps"}).Build
	if b == nil || b.Link != "env/apps" {
		t.Errorf("as a file: got %+v", b)
	}
}

func TestTitlesTellLayersApart(t *testing.T) {
	r := load(t, map[string]string{
		"clusters/a/ks.yaml": layerYAML("apps", "x", "") + "---\n" + strings.ReplaceAll(layerYAML("apps", "y", ""), "  namespace: flux-system", "  namespace: team") + "---\n" + layerYAML("one", "z", ""),
		"x/a.yaml":           configMapYAML("a", "1"), "y/a.yaml": configMapYAML("b", "1"), "z/a.yaml": configMapYAML("c", "1"),
	}, "clusters/a")
	var got []string
	for _, l := range r.Layers {
		got = append(got, l.Title())
	}
	if strings.Join(got, " ") != "flux-system flux-system/apps team/apps one" {
		t.Errorf("got %v", got)
	}
}

// What substitution makes of a secret value is as secret, whatever it looks like.
func TestDerivedSecrets(t *testing.T) {
	r := load(t, map[string]string{
		"clusters/a/secret.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: flux-system}\nstringData: {DOMAIN: hush.example.com}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: flux-system}\ndata: {PLAIN: a.b}\n",
		"clusters/a/apps.yaml":   layerYAML("apps", "apps", "  postBuild: {substituteFrom: [{kind: Secret, name: s}, {kind: ConfigMap, name: c}]}\n"),
		"apps/a.yaml":            configMapYAML("x", "${DOMAIN} ${DOMAIN//./-} ${PLAIN//./-}"),
	}, "clusters/a")
	if got := strings.Join(r.Derived(), " "); got != "hush-example-com" {
		t.Errorf("got %q", got)
	}
}
