package generate

import (
	"flag"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/secrets"
)

var update = flag.Bool("update", false, "write the golden files anew")

// alone returns a blueprint with one service and what it requires.
func alone(c *catalogue.Catalogue, name string) *blueprint.Blueprint {
	b := blueprint.Default()
	b.Services = map[string]*blueprint.Service{}
	var add func(name string)
	add = func(name string) {
		b.Services[name] = &blueprint.Service{}
		for _, needed := range c.Service(name).Requires {
			add(needed)
		}
	}
	add(name)
	return b
}

// belongs says whether a file below flux-sources was rendered for a service.
func belongs(s *catalogue.Service, file string) bool {
	base := strings.TrimSuffix(path.Base(file), ".yaml")
	return base == s.Name || strings.HasPrefix(base, s.Name+"-") || slices.ContainsFunc(s.Expose, func(e catalogue.Exposure) bool { return e.Host == base })
}

// The golden files show what each service is rendered to. After a change, run go test
// ./internal/generate -update and read the diff.
func TestGoldenServices(t *testing.T) {
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range c.Names() {
		t.Run(name, func(t *testing.T) {
			files := render(t, alone(c, name))
			a := &txtar.Archive{}
			for _, file := range slices.Sorted(maps.Keys(files)) {
				f := files[file]
				if !strings.Contains(file, "/flux-sources/") || !belongs(c.Service(name), file) {
					continue
				}
				text := f.Data
				if f.Secret {
					text = f.Shape
				}
				a.Files = append(a.Files, txtar.File{Name: strings.TrimPrefix(file, sources), Data: text})
			}
			golden := filepath.Join("testdata", "golden", name+".txtar")
			got := txtar.Format(a)
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("%s is not what %s says; -update writes it anew", name, golden)
			}
		})
	}
}

// full is the blueprint of every service.
func full(t *testing.T) *blueprint.Blueprint {
	t.Helper()
	text, err := os.ReadFile("../../fixtures/blueprints/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	b, err := blueprint.Parse("full.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range c.Names() {
		if b.Services[name] == nil {
			t.Errorf("full.yaml lacks %s", name)
		}
	}
	return b
}

func TestFullCatalogueIsFastAndTheSameTwice(t *testing.T) {
	b := full(t)
	key, err := secrets.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	first := render(t, b)
	if err := Write(filepath.Join(t.TempDir(), "out"), first, key.Recipients()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %s", took)
	}
	second := render(t, b)
	for name, f := range first {
		other := second[name]
		if f.Secret && (string(f.Shape) != string(other.Shape) || string(f.Data) == string(other.Data) && strings.Contains(string(f.Shape), "<")) {
			t.Errorf("%s: another shape, or the same credentials", name)
		}
		if !f.Secret && string(f.Data) != string(other.Data) {
			t.Errorf("%s differs", name)
		}
	}
	if len(first) != len(second) {
		t.Errorf("%d files, then %d", len(first), len(second))
	}
}

// The images that the catalogue lists for a service are exactly those of its stand-in's
// workloads, so seatrial images is right.
func TestImagesAreThoseOfTheStandIns(t *testing.T) {
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Services {
		standIn, err := s.File("stand-in.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if s.Chart == nil {
			continue
		}
		if s.Component != "stand-in" && len(s.KnownValues()) == 0 {
			t.Errorf("%s: its values can't be told", s.Name)
		}
		for _, image := range s.Images {
			name, version := catalogue.SplitImage(image)
			_, repository := catalogue.Registry(name)
			short := strings.TrimPrefix(repository, "library/")
			later := slices.Contains(s.ValuesRewrite, name) // a program may start it, or another manifest
			if !later && !strings.Contains(string(standIn), short) && !strings.Contains(string(standIn), ".repository }}") {
				t.Errorf("%s: its stand-in runs no %s", s.Name, image)
			}
			if strings.HasPrefix(version, ":latest") {
				t.Errorf("%s: %s is not pinned", s.Name, image)
			}
		}
	}
}

func TestBlueprintsValuesWin(t *testing.T) {
	b := blueprint.Default()
	b.Services["harbor"].Values = map[string]any{"updateStrategy": map[string]any{"type": "RollingUpdate"}, "logLevel": "debug"}
	b.Services["harbor"].Resources = map[string]any{"requests": map[string]any{"cpu": "1"}}
	b.Services["harbor"].Version = "1.20.0"
	b.Services["harbor"].Host = "registry"
	files := render(t, b)
	got := string(files[harborChart].Data)
	for _, want := range []string{"type: RollingUpdate", "logLevel: debug", "cpu: \"1\"", "version: 1.20.0 ", "externalURL: https://registry.services.my-domain.com", "# Without these the chart draws new values"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if route := string(files[sources+"helm-post/harbor.yaml"].Data); !strings.Contains(route, "fqdn: registry.services.my-domain.com") {
		t.Error(route)
	}
	hidden := false
	b.Services["harbor"].Exposed = &hidden
	if _, still := render(t, b)[sources+"helm-post/harbor.yaml"]; still {
		t.Error("a hidden service has a route")
	}
}
