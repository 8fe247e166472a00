package standin

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"
)

// Files of charts that the catalogue does not have: "generic" is the least that a chart can be, "apptemplate" is for
// bjw-s' app-template, and "known" has descriptions of others (see known/README.md).
//
//go:embed all:generic all:apptemplate known/*.yaml
var anyCharts embed.FS

// Asked is a chart that a stand-in is made for, of which the catalogue knows nothing.
type Asked struct {
	// Name is the chart's, and Version an exact one.
	Name, Version string
	// Kinds are those that it brings.
	Kinds []Kind
	// Expected is what the repo takes for granted of the chart's releases, by namespace/name.
	Expected map[string]Expected
}

// Generic says whether nothing is known of a chart but its name.
func (a Asked) Generic() bool { return !a.appTemplate() && known()[a.Name] == nil }

// Templated says whether there is a template for just this chart.
func (a Asked) Templated() bool { return a.appTemplate() }

// appTemplate says whether it is bjw-s' app-template, of a version whose values are known.
func (a Asked) appTemplate() bool {
	v, err := semver.NewVersion(a.Version)
	return a.Name == "app-template" && (err != nil || v.Major() >= 2)
}

// PackAny makes the archive of a stand-in for any chart: a description of it or a template that is made for
// it, if there is one, and else the least that a chart can be.
func PackAny(a Asked) ([]byte, error) {
	files := map[string][]byte{}
	if a.appTemplate() {
		if err := templates(files, anyCharts, "apptemplate", ""); err != nil {
			return nil, err
		}
		if err := addKinds(files, a.Kinds); err != nil {
			return nil, err
		}
		return pack(files, a.Name, a.Version)
	}
	if err := templates(files, anyCharts, "generic", ""); err != nil {
		return nil, err
	}
	if err := templates(files, chartTemplates, "chart", "templates"); err != nil {
		return nil, err
	}
	delete(files, "templates/stand-in.yaml")
	err := expect(files, a.Expected)
	if err != nil {
		return nil, err
	}
	if text := known()[a.Name]; text != nil {
		if err = described(files, text, a.Kinds); err == nil {
			delete(files, "templates/stand-in.yaml") // the generic one has its objects come out, too
		}
	} else {
		err = addKinds(files, a.Kinds)
	}
	if err != nil {
		return nil, fmt.Errorf("stand-in of %s: %w", a.Name, err)
	}
	return pack(files, a.Name, a.Version)
}

// templates adds a folder of embedded files to a chart's files, in a folder there ("" for the top).
func templates(files map[string][]byte, from embed.FS, folder, to string) error {
	return fs.WalkDir(from, folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[path.Join(to, strings.TrimPrefix(name, folder+"/"))], err = from.ReadFile(name)
		return err
	})
}

// known are the descriptions of charts, by the name of a chart. They are embedded, so that an unreadable
// one is a defect, which a test finds.
var known = sync.OnceValue(func() map[string][]byte {
	out := map[string][]byte{}
	entries, _ := anyCharts.ReadDir("known")
	for _, e := range entries {
		text, err := anyCharts.ReadFile(path.Join("known", e.Name()))
		if err != nil {
			continue
		}
		var d struct {
			Charts []string `json:"charts"`
		}
		if err := yaml.Unmarshal(text, &d); err != nil {
			continue
		}
		for _, name := range d.Charts {
			out[name] = text
		}
	}
	return out
})

// Describes says whether the description of a chart has a kind of an API group.
func Describes(chart, group string) bool {
	var d description
	if err := yaml.Unmarshal(known()[chart], &d); err != nil {
		return false
	}
	return slices.ContainsFunc(d.CRDs, func(entry string) bool { return strings.HasPrefix(entry, group+"/") })
}

// Known are the names of the charts that a description or a template here is made for, sorted.
func Known() []string {
	out := []string{"app-template"}
	for name := range known() {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
