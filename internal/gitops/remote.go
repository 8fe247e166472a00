package gitops

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
)

// remote returns why a kustomization can't be built here, or "": it has parts outside of the repo, which Flux would
// fetch and nothing here may, or inflates Helm charts. Every field is looked at that kustomize takes an address for.
func (t *Tree) remote(dir string, seen map[string]bool) string {
	file := t.kustomizationFile(dir)
	if file == "" || seen[dir] {
		return ""
	}
	seen[dir] = true
	b, err := t.memory.ReadFile(at(file))
	if err != nil {
		return ""
	}
	var k types.Kustomization
	if err := k.Unmarshal(b); err != nil {
		k = types.Kustomization{}
		for _, d := range parse(file, b).docs {
			if why := addressIn(d.content, 0); why != "" { // kustomize may take more of it than its types do
				return fmt.Sprintf("%s takes %s from the network", t.original(file), why)
			}
		}
		return "" // the build reports the error
	}
	for _, res := range fetched(&k) {
		if isRemote(res) && !t.memory.Exists(at(path.Join(dir, res))) {
			return fmt.Sprintf("%s takes %s from the network", t.original(file), res)
		}
		if sub := path.Join(dir, res); t.memory.IsDir(at(sub)) {
			if why := t.remote(sub, seen); why != "" {
				return why
			}
		}
	}
	if len(k.HelmCharts) > 0 || len(k.HelmChartInflationGenerator) > 0 {
		return t.original(file) + " inflates Helm charts"
	}
	return ""
}

// fetched are the paths and addresses of all that a kustomization takes.
func fetched(k *types.Kustomization) []string {
	//lint:ignore SA1019 repos still have the old field, and kustomize reads it
	out := slices.Concat(k.Resources, k.Components, k.Bases, parsed(k), []string{k.OpenAPI["path"]})
	var generators []types.KvPairSources
	for _, g := range k.ConfigMapGenerator {
		generators = append(generators, g.KvPairSources)
	}
	for _, g := range k.SecretGenerator {
		generators = append(generators, g.KvPairSources)
	}
	for _, g := range generators {
		for _, f := range slices.Concat(g.FileSources, g.EnvSources, []string{g.EnvSource}) {
			if _, file, named := strings.Cut(f, "="); named && !strings.Contains(f[:strings.Index(f, "=")], "/") {
				out = append(out, file)
			}
			out = append(out, f)
		}
	}
	return slices.DeleteFunc(out, func(p string) bool { return p == "" || strings.ContainsAny(p, "\n{}") || strings.Contains(p, ": ") })
}

// addressIn is an address among the texts of a document, or "".
func addressIn(v any, depth int) string {
	switch v := v.(type) {
	case string:
		if !strings.Contains(v, "\n") && isRemote(v) {
			return v
		}
	case map[string]any:
		for _, inner := range v {
			if found := addressIn(inner, depth+1); found != "" {
				return found
			}
		}
	case []any:
		for _, inner := range v {
			if found := addressIn(inner, depth+1); found != "" {
				return found
			}
		}
	}
	return ""
}

// otherHost matches the addresses that kustomize fetches: with a scheme, as ssh's copy command has them, or with one of
// its own short forms.
var otherHost = regexp.MustCompile(`(?i)^(git::|gh:|github\.com[:/])|^[^/\s]+@[^/\s]+:|://|[?&](ref|version|timeout|submodules)=|_git/`)

func isRemote(res string) bool { return otherHost.MatchString(res) }
