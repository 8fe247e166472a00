package sealed

import (
	"reflect"
	"strings"
	"testing"
)

func TestFormats(t *testing.T) {
	for name, want := range map[string]Format{
		"a.yaml": YAML, "a/b.sops.yml": YAML, "a.json": JSON, ".dockerconfigjson": JSON, "x.dockerconfigjson": JSON, ".env": Dotenv, "a.env": Dotenv,
		"a.ini": INI, "a.txt": Binary, "Makefile": Binary, "a.yaml.enc": Binary, "a.YAML": Binary,
	} {
		if got := FormatOf(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestIn(t *testing.T) {
	const value = "ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]"
	for content, want := range map[string]Format{
		"a: " + value + "\nsops:\n    mac: " + value + "\n":                            YAML,
		"sops:\n    mac: " + value + "\na: " + value + "\n":                            YAML,
		"{\n\t\"data\": \"" + value + "\",\n\t\"sops\": {\"mac\": \"" + value + "\"}}": JSON,
		"\n {\"sops\":{\"mac\":\"" + value + "\"}}":                                    JSON,
		"A=" + value + "\nsops_mac=" + value + "\n":                                    Dotenv,
		"sops_mac=" + value + "\nA=" + value + "\n":                                    Dotenv,
		"[a]\nb = " + value + "\n\n [sops] \nmac = " + value + "\n":                    INI,
		"a: b\n":                          "",
		"# what sops_mac=ENC[ is\na: b\n": "",
		"kind: ConfigMap\ndata:\n  x: |\n    mac: ENC[...]": "",
		"creation_rules:\n- age: x\n":                       "",
		"see [sops] and ENC[\n":                             "",
	} {
		got, encrypted := In([]byte(content))
		if got != want || encrypted != (want != "") {
			t.Errorf("%q: got %q, want %q", content, got, want)
		}
	}
}

func TestSources(t *testing.T) {
	files := map[string]string{
		"apps/kustomization.yaml": `
resources: [web, ../base, https://example.org/x, a.yaml]
components: [../parts]
patches:
- path: patch.sops.yaml
- path: https://example.org/p.yaml
- patch: '{}'
secretGenerator:
- name: a
  files: [token.txt, config.json=settings/c.enc, ../../../../etc/passwd]
  envs: [settings.env, plain]
configMapGenerator:
- name: b
  files: [c.enc]
`,
		"apps/web/kustomization.yml":    "resources: [.., deeper]\nsecretGenerator: [{name: x, files: [k=w.yaml]}]\n",
		"apps/web/deeper/Kustomization": "patches: [{path: d.yaml}]\n",
		"base/kustomization.yaml":       "a: [",
		"parts/kustomization.yaml":      "kind: Component\npatches: [{path: ../apps/patch.sops.yaml}]\n",
	}
	got := Sources(func(name string) ([]byte, bool) { b, there := files[name]; return []byte(b), there }, "./apps")
	want := []Source{
		{"apps/token.txt", "token.txt", "apps/kustomization.yaml"},
		{"apps/settings/c.enc", "config.json", "apps/kustomization.yaml"},
		{"etc/passwd", "../../../../etc/passwd", "apps/kustomization.yaml"},
		{"apps/settings.env", "settings.env", "apps/kustomization.yaml"},
		{"apps/plain", "plain.env", "apps/kustomization.yaml"},
		{"apps/patch.sops.yaml", "patch.sops.yaml", "apps/kustomization.yaml"},
		{"apps/web/w.yaml", "k", "apps/web/kustomization.yml"},
		{"apps/web/deeper/d.yaml", "d.yaml", "apps/web/deeper/Kustomization"},
		{"apps/patch.sops.yaml", "../apps/patch.sops.yaml", "parts/kustomization.yaml"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	for i, format := range []Format{Binary, JSON, Binary, Dotenv, Dotenv, YAML, Binary} {
		if got[i].Format() != format {
			t.Errorf("%s: got %s, want %s", got[i].Name, got[i].Format(), format)
		}
	}
}

// Folders without an end are not followed without one.
func TestSourcesEnd(t *testing.T) {
	n := 0
	Sources(func(name string) ([]byte, bool) {
		n++
		return []byte("resources: [x]\n"), strings.HasSuffix(name, "/kustomization.yaml")
	}, "a")
	if n > 3*maxFolders {
		t.Errorf("read %d files", n)
	}
}
