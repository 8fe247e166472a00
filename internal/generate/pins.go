package generate

import (
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/upstream"
)

// jenkinsUpdates is where Jenkins looks for plugins.
const jenkinsUpdates = "https://updates.jenkins.io"

// Pins are all versions that the repo of a blueprint asks for by itself: of charts, package
// repositories, plugins, and of images whose tags are known. Each is listed once.
func Pins(b *blueprint.Blueprint) ([]upstream.Pin, error) {
	r, all, err := instancesOf(b)
	if err != nil {
		return nil, err
	}
	var out []upstream.Pin
	seen := map[upstream.Pin]bool{}
	add := func(p upstream.Pin) {
		if !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	repositories := map[string]bool{}
	for _, s := range all {
		d := r.data(s)
		if s.entry.Package != nil {
			repositories[s.entry.Package.Repository] = true
		}
		if s.entry.Chart != nil {
			add(chartPin(d.Chart))
		}
		plugins, err := r.plugins(s, d)
		if err != nil {
			return nil, err
		}
		for _, p := range plugins {
			add(p)
		}
	}
	for _, p := range r.catalogue.PackageRepositories {
		if repositories[p.Name] {
			add(upstream.Pin{Kind: upstream.Image, Name: p.Image, Version: ":" + p.Version})
		}
	}
	images, err := Images(b)
	if err != nil {
		return nil, err
	}
	for _, i := range images {
		if name, version := catalogue.SplitImage(i.Image); !strings.Contains(version, "<") {
			add(upstream.Pin{Kind: upstream.Image, Name: name, Version: version})
		}
	}
	return out, nil
}

func chartPin(c catalogue.Chart) upstream.Pin {
	if c.OCI() {
		return upstream.Pin{Kind: upstream.Image, Name: strings.TrimPrefix(c.URL, "oci://") + "/" + c.Name, Version: ":" + strings.ReplaceAll(c.Version, "+", "_")}
	}
	return upstream.Pin{Kind: upstream.Chart, Name: c.Name, Version: c.Version, From: c.URL}
}

// plugins are the plugins of a Jenkins that have a version.
func (r *renderer) plugins(s *instance, d data) ([]upstream.Pin, error) {
	if s.entry.Name != "jenkins" {
		return nil, nil
	}
	text, err := r.values(s, d)
	if err != nil {
		return nil, err
	}
	var values struct {
		Controller struct {
			AdditionalPlugins, InstallPlugins any
		}
	}
	if err := yaml.Unmarshal([]byte(text), &values); err != nil {
		return nil, fmt.Errorf("%s: its values: %w", s.release, err)
	}
	var out []upstream.Pin
	for _, list := range []any{values.Controller.AdditionalPlugins, values.Controller.InstallPlugins} {
		entries, _ := list.([]any) // false turns the list off
		for _, e := range entries {
			if name, version, pinned := strings.Cut(fmt.Sprint(e), ":"); pinned {
				out = append(out, upstream.Pin{Kind: upstream.Plugin, Name: name, Version: version, From: jenkinsUpdates})
			}
		}
	}
	return out, nil
}
