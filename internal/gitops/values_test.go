package gitops

import (
	"slices"
	"testing"
	"testing/fstest"
)

// Whatever is in the place of a Secret's values counts as one, however it is written.
func TestPlainSecrets(t *testing.T) {
	r, err := Load(fstest.MapFS{
		"c/a.yaml": {Data: []byte(`apiVersion: v1
kind: Secret
metadata: {name: s, namespace: n}
type: {odd: in-the-type}
data: {a: aW4tYmFzZTY0, b: not base64!}
stringData:
  text: in-text
  number: 4815162342
  deep: {x: in-a-map}
  list: [in-a-list]
`)},
		"c/list.yaml":          {Data: []byte("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: l}, stringData: {a: in-an-item}}\n")},
		"x/secret.json":        {Data: []byte(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"j"},"stringData":{"a":"in-json"}}`)},
		"x/kustomization.yaml": {Data: []byte("resources: [missing.yaml]\nsecretGenerator:\n- name: g\n  literals: [a=in-a-literal]\n  envs: [.env]\n  files: [k=file.txt]\n")},
		"x/.env":               {Data: []byte("A=in-an-env\n")},
		"x/file.txt":           {Data: []byte("in-a-file")},
		"x/twice.yaml":         {Data: []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: t}\nstringData:\n  a: in-the-first\n  a: in-the-second\n")},
		"x/broken.yaml":        {Data: []byte("apiVersion: v1\nkind: Secret\nstringData:\n  a: in-no-yaml\n b: [\n")},
		"x/sops.yaml":          {Data: []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: e}\nstringData: {a: \"ENC[AES256_GCM,data:x,type:str]\", b: left-in-plain-text}\nsops: {age: [{recipient: not-a-value}]}\n")},
		"x/config.yaml":        {Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: in-a-configmap}\n")},
	}, "c")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range r.PlainSecrets() {
		got = append(got, v.Value)
	}
	for _, want := range []string{"in-the-type", "in-base64", "not base64!", "in-text", "4815162342", "in-a-map", "in-a-list", "in-an-item", "in-json", "in-a-literal", "A=in-an-env\n", "in-a-file", "in-the-first", "in-the-second", "in-no-yaml", "left-in-plain-text"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not known", want)
		}
	}
	if slices.Contains(got, "not-a-value") || slices.Contains(got, "in-a-configmap") || !r.PlainValues()["in-a-configmap"] || r.PlainValues()["in-text"] {
		t.Error("what is in plain text is taken for a secret, or a secret for plain text")
	}
}
