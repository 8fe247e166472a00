package generate

import (
	"slices"
	"testing"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/upstream"
)

func TestPins(t *testing.T) {
	b := full(t)
	b.Services["harbor"].Version = "1.20.0"
	b.Services["jenkins"].Values = map[string]any{"controller": map[string]any{"installPlugins": []any{"git:5.8.0", "kubernetes"}}}
	pins, err := Pins(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []upstream.Pin{
		{Kind: upstream.Chart, Name: "harbor", Version: "1.20.0", From: "https://helm.goharbor.io"},
		{Kind: upstream.Chart, Name: "postgres", Version: "1.6.7", From: "https://groundhog2k.github.io/helm-charts"},
		{Kind: upstream.Image, Name: "registry-1.docker.io/cloudpirates/minio", Version: ":0.13.3"},
		{Kind: upstream.Image, Name: "projects.packages.broadcom.com/tkg/packages/standard/repo", Version: ":v2026.1.21"},
		{Kind: upstream.Image, Name: "docker.io/library/postgres", Version: ":18.4"},
		{Kind: upstream.Plugin, Name: "ldap", Version: "807.809.vd3a_4e5e4ec98", From: "https://updates.jenkins.io"},
		{Kind: upstream.Plugin, Name: "git", Version: "5.8.0", From: "https://updates.jenkins.io"},
	} {
		if !slices.Contains(pins, want) {
			t.Errorf("no %s", want)
		}
	}
	seen := map[upstream.Pin]bool{}
	for _, p := range pins {
		if seen[p] || p.Name == "docker.io/goharbor/harbor-core" || p.Name == "registry.gitlab.com/gitlab-org/build/cng/gitlab-shell" {
			t.Errorf("%s: twice, or its tag is not known", p)
		}
		seen[p] = true
	}
	if pins, err := Pins(blueprint.Default()); err != nil || len(pins) < 10 {
		t.Errorf("%v %v", err, pins)
	}
}
