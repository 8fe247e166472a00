package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// canaries are fifty secret values of all kinds, each with a unique part.
func canaries() map[string]string {
	out := map[string]string{}
	for i := range 50 {
		mark := fmt.Sprintf("Kn%02dxQ7", i)
		v := []string{
			mark + "aPlainPassword", mark + ` "quotes" \back\slash 'single'`, mark + "&<html>;=%20+?#", mark + "-ümläut-日本",
			mark + " with several words", mark + ":colon@host/path", "7" + fmt.Sprintf("%02d", i) + "4815162342", mark + "\tTab$(dollar)${var}!",
			"-----BEGIN KEY-----\n" + mark + strings.Repeat("Ab3", 20) + "\n" + mark + strings.Repeat("Zy9", 20) + "\n-----END KEY-----\n",
			base64.StdEncoding.EncodeToString([]byte(mark + "binary-ish")),
		}[i%10]
		out[fmt.Sprintf("v%02d", i)] = v
	}
	return out
}

// echoed says in which form a text contains a value, or "". It detects more forms than
// the product handles.
func echoed(text, value string) string {
	bare := strings.NewReplacer(" ", "", "\n", "", "\t", "", `\n`, "", `\t`, "", `\`, "", `"`, "", "'", "").Replace
	parts := []string{value}
	for _, line := range strings.Split(value, "\n") {
		if len(line) > 12 && !strings.HasPrefix(line, "-----") {
			parts = append(parts, line)
		}
	}
	squeezed := bare(text)
	for _, p := range parts {
		quoted, _ := json.Marshal(p)
		for form, v := range map[string]string{
			"plain": p, "json": strings.Trim(string(quoted), `"`), "base64": base64.StdEncoding.EncodeToString([]byte(p)),
			"query": url.QueryEscape(p), "path": url.PathEscape(p), "go": strings.Trim(fmt.Sprintf("%q", p), `"`),
		} {
			if strings.Contains(text, v) || len(bare(v)) > 8 && strings.Contains(squeezed, bare(v)) {
				return form
			}
		}
	}
	return ""
}

// No output shows a secret value, in whatever form an error contains it.
func TestNoOutputShowsASecret(t *testing.T) {
	t.Parallel()
	dir, values := t.TempDir(), canaries()
	key := filepath.Join(t.TempDir(), "age.agekey")
	recipient := strings.TrimSpace(command(t, nil, "secrets", "keygen", key).stdout)
	repo := canaryRepo{".sops.yaml": "creation_rules:\n- encrypted_regex: ^(data|stringData)$\n  age: " + recipient + "\n"}
	repo.secrets(t, values)
	repo.charts()
	repo.substitutions()
	plain := repo.malformed()
	writeFiles(t, dir, repo)
	for _, name := range []string{"values.yaml", "vars.yaml"} {
		if err := command(t, nil, "secrets", "encrypt", "--recipient", recipient, filepath.Join(dir, "layers/secrets", name)).err(); err != nil {
			t.Fatal(err)
		}
	}
	texts := outputs(t, dir, key)
	for name, text := range texts {
		for k, v := range plain {
			if form := echoed(text, v); form != "" {
				t.Errorf("%s shows %s as %s", name, k, form)
			}
		}
		for k, v := range values {
			if form := echoed(text, v); form != "" {
				t.Errorf("%s shows %s as %s", name, k, form)
			}
		}
	}
}

// outputs returns all texts that the command writes about a repo: on its streams, as
// reports and as logs, with the key and without.
func outputs(t *testing.T, dir, key string) (texts map[string]string) {
	t.Helper()
	out := t.TempDir()
	args := []string{"verify", dir, "--age-key", key, "--logs", filepath.Join(out, "logs"), "--timeout", "4m"}
	for _, name := range []string{"report.json", "junit.xml", "report.md", "report.txt"} {
		args = append(args, "--report", filepath.Join(out, name))
	}
	noKey := filepath.Join(out, "without-the-key")
	runs := map[string]run{
		"verify without the key": command(t, nil, "verify", dir, "--logs", noKey, "--report", filepath.Join(out, "no-key.json"), "--timeout", "2m"),
		"verify":                 command(t, nil, args...), "check": command(t, nil, "check", dir, "--age-key", key), "check without the key": command(t, nil, "check", dir, "-o", "json"),
		"audit": command(t, nil, "secrets", "audit", dir, "--age-key", key),
	}
	if runs["verify"].code != 1 {
		t.Fatalf("exit %d\n%s", runs["verify"].code, runs["verify"].stderr)
	}
	texts = map[string]string{}
	for name, r := range runs {
		texts[name+" stdout"], texts[name+" stderr"] = r.stdout, r.stderr
	}
	if err := filepath.WalkDir(out, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		texts[p] = string(b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(texts) < 15 || !strings.Contains(texts[filepath.Join(out, "report.json")], "***(") {
		t.Errorf("too little to look at: %d texts, or nothing was taken out", len(texts))
	}
	return texts
}

// canaryRepo holds the files of a repo whose objects make controllers print secret values.
type canaryRepo map[string]string

// afterSecrets has a layer wait for the one with the Secrets.
const afterSecrets = "  dependsOn: [{name: secrets}]\n"

// layer adds a layer; more is added to its spec.
func (r canaryRepo) layer(name, spec string) {
	r["clusters/prod/"+name+".yaml"] = fmt.Sprintf("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: %s, namespace: flux-system}\nspec:\n  interval: 10m\n  timeout: 1m\n  retryInterval: 1m\n  prune: true\n  path: ./layers/%[1]s\n  sourceRef: {kind: GitRepository, name: flux-system}\n%s", name, spec)
}

// secrets adds the Secrets that hold the values.
func (r canaryRepo) secrets(t *testing.T, values map[string]string) {
	t.Helper()
	document, err := json.Marshal(map[string]any{"all": values})
	if err != nil {
		t.Fatal(err)
	}
	secret := func(name, namespace string, data map[string]string) string {
		b, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]string{"name": name, "namespace": namespace}, "stringData": data})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	r.layer("secrets", "  decryption: {provider: sops, secretRef: {name: sops-age}}\n")
	r["layers/secrets/namespace.yaml"] = "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n"
	r["layers/secrets/values.yaml"] = secret("values", "web", map[string]string{"values.yaml": string(document)})
	r["layers/secrets/vars.yaml"] = secret("vars", "flux-system", values)
}

// charts adds releases of charts that fail with the values, in each form that a template can write.
func (r canaryRepo) charts() {
	for name, template := range map[string]string{
		"plain": `{{ range .Values.all }}{{ . }} {{ end }}`, "json": `{{ toJson .Values }}`, "yaml": `{{ toYaml .Values }}`, "go": `{{ printf "%q" .Values.all }}`,
		"base64": `{{ range .Values.all }}{{ b64enc . }} {{ end }}`, "base64-all": `{{ toJson .Values | b64enc }}`, "query": `{{ range .Values.all }}{{ urlquery . }} {{ end }}`,
		"wrapped": `{{ range .Values.all }}{{ wrap 7 . }} {{ end }}`, "indented": `{{ range .Values.all }}{{ indent 8 . }}{{ end }}`,
	} {
		r.layer("helm-"+name, afterSecrets)
		r["layers/helm-"+name+"/kustomization.yaml"] = "resources: [release.yaml]\n"
		r["layers/helm-"+name+"/release.yaml"] = fmt.Sprintf("apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: %s, namespace: web}\nspec:\n  interval: 1m\n  chart: {spec: {chart: ./charts/%[1]s, sourceRef: {kind: GitRepository, name: flux-system, namespace: flux-system}}}\n  valuesFrom: [{kind: Secret, name: values}]\n", name)
		r["charts/"+name+"/Chart.yaml"] = "apiVersion: v2\nname: " + name + "\nversion: 1.0.0\n"
		r["charts/"+name+"/templates/fail.yaml"] = `{{- define "text" }}` + template + `{{ end }}{{ fail (include "text" .) }}` + "\n"
	}
}

// substitutions adds objects that use a value as a label, an annotation's key, a number or a name.
func (r canaryRepo) substitutions() {
	for _, v := range []string{"v00", "v01", "v02", "v03", "v04", "v08"} {
		for field, object := range map[string]string{
			"label": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x-%[1]s\n  namespace: web\n  labels:\n    l: \"${%[1]s}\"\n",
			"name":  "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: \"${%[1]s}\"\n  namespace: web\n",
			"type":  "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x-%[1]s, namespace: web}\nspec:\n  replicas: \"${%[1]s}\"\n  selector: {matchLabels: {a: b}}\n  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}\n",
		} {
			name := field + "-" + v
			r.layer(name, afterSecrets+"  postBuild: {substituteFrom: [{kind: Secret, name: vars}]}\n")
			r["layers/"+name+"/object.yaml"] = fmt.Sprintf(object, v)
		}
	}
}

// malformed adds Secrets in plain text that are not valid Secrets, and returns their
// values, which occur nowhere else.
func (r canaryRepo) malformed() map[string]string {
	plain := map[string]string{}
	only := func(name string) string {
		plain[name] = "Pw" + name + "Xy7only"
		return plain[name]
	}
	plain["number"] = "4815162342"
	r.layer("malformed", "")
	r["layers/malformed/kustomization.yaml"] = "resources: [secret.yaml]\n"
	r["layers/malformed/secret.yaml"] = "apiVersion: v1\nkind: Secret\nmetadata: {name: bad, namespace: web}\nstringData:\n  a: {deep: " + only("deep") + "}\n  b: [" + only("listed") + "]\n  c: " + plain["number"] + "\n  d: true\n"
	r.layer("base64", "")
	r["layers/base64/secret.yaml"] = "apiVersion: v1\nkind: Secret\nmetadata: {name: bad64, namespace: web}\ndata:\n  a: " + only("malformed") + "!\n"
	r.layer("duplicate", "")
	r["layers/duplicate/secret.yaml"] = "apiVersion: v1\nkind: Secret\nmetadata: {name: twice, namespace: web}\nstringData:\n  a: " + only("first") + "\n  a: " + only("second") + "\n"
	r.layer("typed", "")
	r["layers/typed/secret.yaml"] = "apiVersion: v1\nkind: Secret\nmetadata: {name: typed, namespace: web}\ntype: {a: " + only("type") + "}\nstringData: {a: b}\n"
	r.layer("generator", "")
	r["layers/generator/kustomization.yaml"] = "namespace: web\nsecretGenerator:\n- name: g\n  literals: [a=" + only("literal") + "]\n  type: \"${UNKNOWN}\"\npatches:\n- target: {kind: Secret}\n  patch: \"[{op: add, path: /nowhere/at/all, value: x}]\"\n"
	return plain
}
