package check

import (
	"strings"
	"testing"
	"testing/fstest"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/secrets"
)

// Files that are decrypted before a build are looked at as documents are.
func TestRecipientsOfPatchesAndGeneratorFiles(t *testing.T) {
	key, err := secrets.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	other, err := secrets.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	patch, err := secrets.Encrypt([]byte("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: b}\n"), key.Recipients(), secrets.EncryptedRegex)
	if err != nil {
		t.Fatal(err)
	}
	layer := "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: web, namespace: flux-system}\n" +
		"spec: {path: ./web, sourceRef: {kind: GitRepository, name: flux-system}, decryption: {provider: sops, secretRef: {name: k}}}\n"
	kms := strings.Replace(string(patch), "sops:\n", "sops:\n    kms:\n        - arn: arn:aws:kms:eu-west-1:000000000000:key/0\n", 1)
	pgp := strings.Replace(strings.Replace(string(patch), "    age:\n", "    pgp:\n", 1), "recipient: "+key.Recipients()[0], "fp: ABCDEF0123456789", 1)
	for name, c := range map[string]struct {
		patch, rules string
		o            Options
		says         string
	}{
		"without a key":       {string(patch), "", Options{}, ""},
		"its own key":         {string(patch), "", Options{KeyRecipients: key.Recipients()}, ""},
		"another key":         {string(patch), "", Options{KeyRecipients: other.Recipients()}, "another key than the given one: its recipients are age1"},
		"a key service, too":  {kms, "", Options{KeyRecipients: other.Recipients()}, ""},
		"another PGP key":     {pgp, "", Options{KeyFingerprints: []string{"0000"}}, "its recipients are ABCDEF"},
		"its PGP key":         {pgp, "", Options{KeyFingerprints: []string{"FFFFABCDEF0123456789"}}, ""},
		"PGP, and an age key": {pgp, "", Options{KeyRecipients: other.Recipients()}, ""},
		"not as .sops.yaml":   {string(patch), "creation_rules: [{age: " + other.Recipients()[0] + "}]\n", Options{}, "but .sops.yaml names age1"},
	} {
		tree := fstest.MapFS{
			"clusters/a/web.yaml": {Data: []byte(layer)}, "web/p.yaml": {Data: []byte(c.patch)},
			"web/kustomization.yaml": {Data: []byte("resources: [s.yaml]\npatches: [{path: p.yaml}]\n")},
			"web/s.yaml":             {Data: []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n")},
		}
		if c.rules != "" {
			tree[".sops.yaml"] = &fstest.MapFile{Data: []byte(c.rules)}
		}
		r, err := gitops.Load(tree, "clusters/a")
		if err != nil {
			t.Fatal(err)
		}
		var got []finding.Finding
		for _, l := range r.Layers {
			got = append(got, sealedSources(r, l, c.o)...)
		}
		switch {
		case c.says == "" && len(got) > 0:
			t.Errorf("%s: got %+v", name, got)
		case c.says != "" && (len(got) != 1 || got[0].File != "web/p.yaml" || got[0].Code != finding.SOPSRecipient || !strings.Contains(got[0].Message, c.says)):
			t.Errorf("%s: got %+v, want %q", name, got, c.says)
		}
	}
}
