package secrets

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/getsops/sops/v3"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/kms"
	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/placeholder"
	"seatrial.dev/seatrial/internal/sealed"
)

// maker makes a maker for a tree of files.
func maker(t *testing.T, files map[string]string) *Maker {
	t.Helper()
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	places, err := placeholder.Places(tree)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMaker(places)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sealedAs encrypts a plain file as the format of its name wants it.
func sealedAs(t *testing.T, name, plain string, like sops.Metadata, recipients ...string) []byte {
	t.Helper()
	s := storeFor(sealed.FormatOf(name))
	branches, err := s.LoadPlainFile([]byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	b, err := encryptAs(s, branches, recipients, like)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var onlyValues = sops.Metadata{EncryptedRegex: EncryptedRegex}

const typedSecret = `# of the team
apiVersion: v1
kind: Secret
metadata:
    name: web # a comment
    namespace: apps
type: kubernetes.io/tls
stringData:
    # which nobody else knows
    password: hunter2-canary
    list:
        # in a list
        - canary-one
    port: 5432
    ratio: 0.25
    debug: true
data:
    tls.crt: Y2FuYXJ5
    tls.key: Y2FuYXJ5
`

// Of every format, what a rehearsal's cluster decrypts is what the model was built of, and nothing of the
// values remains.
func TestRekeyedFilesDecryptToWhatOpenReturns(t *testing.T) {
	theirs := newKey(t)
	suffix := sops.Metadata{UnencryptedSuffix: sops.DefaultUnencryptedSuffix}
	for name, c := range map[string]struct {
		plain string
		like  sops.Metadata
		want  []string
	}{
		"a/s.yaml":               {typedSecret, onlyValues, []string{"kind: Secret", "name: web", "password: seatrial-placeholder\n", "ratio: 0.5", "port: 2", "debug: false"}},
		"two.yml":                {"a: canary\n---\nb: canary\n", suffix, []string{"a: seatrial-placeholder", "---\nb: seatrial-placeholder"}},
		"comments.yaml":          {"#encrypt: yes\na: canary\nb: plain\n", sops.Metadata{EncryptedCommentRegex: "encrypt"}, []string{"a: seatrial-placeholder", "b: plain"}},
		"suffix.yaml":            {"a_secret: canary\nb: plain\n", sops.Metadata{EncryptedSuffix: "_secret"}, []string{"a_secret: seatrial", "b: plain"}},
		"mac.yaml":               {"data: {a: canary}\nb: plain\n", sops.Metadata{EncryptedRegex: "^data$", MACOnlyEncrypted: true}, []string{"b: plain"}},
		"values.json":            {`{"auth": {"password": "canary", "port": 1, "hosts": ["canary"], "on": true, "none": null, "empty": ""}}`, suffix, []string{`"password": "seatrial-placeholder"`, `"none": null`, `"empty": ""`, `"on": false`}},
		"settings.env":           {"# canary\nPASSWORD=canary\nDB_HOST=canary\nEMPTY=\n", suffix, []string{"PASSWORD=seatrial-placeholder\n", "DB_HOST=db-host.seatrial-placeholder.example\n", "EMPTY=\n"}},
		"settings.ini":           {"[db]\npassword = canary\n", suffix, []string{"password = seatrial-placeholder"}},
		"web.key":                {"canary", suffix, []string{"-----BEGIN PRIVATE KEY-----"}},
		"note.txt":               {"canary", suffix, []string{"seatrial-placeholder"}},
		"pull.dockerconfigjson":  {`{"auths": {"ghcr.io": {"username": "canary", "auth": "Y2FuYXJ5"}}}`, suffix, []string{`"ghcr.io"`}},
		"clusters/kubeconfig":    {"canary", suffix, []string{"kind: Config"}},
		"keys/age.agekey":        {"canary", suffix, []string{"AGE-SECRET-KEY-"}},
		"keys/flux.asc":          {"canary", suffix, []string{"BEGIN PGP PRIVATE KEY BLOCK"}},
		"patch-without-kind.yml": {"metadata: {name: x}\ndata: {a: Y2FuYXJ5}\napiVersion: v1\nkind: Secret\n", suffix, []string{"kind: Secret", "apiVersion: v1", "a: c2VhdHJpYWwtcGxhY2Vob2xkZXI="}},
		"c.yaml":                 {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: canary}\n", onlyValues, []string{"a: seatrial-placeholder"}},
		"empty.yaml":             {"stringData: {a: \"\"}\n", onlyValues, []string{`a: ""`}},
	} {
		t.Run(name, func(t *testing.T) {
			m := maker(t, nil)
			encrypted := sealedAs(t, name, c.plain, c.like, theirs.Recipients()...)
			if strings.Contains(string(encrypted), "canary") && !strings.Contains(name, "comments") {
				t.Fatalf("nothing is encrypted:\n%s", encrypted)
			}
			plain, err := m.Open(name, encrypted)
			if err != nil {
				t.Fatal(err)
			}
			remade, err := m.Rekey(name, encrypted)
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.Key().Open(name, remade)
			if err != nil || string(got) != string(plain) {
				t.Errorf("%v: decrypted\n%s\nwant\n%s", err, got, plain)
			}
			for _, want := range c.want {
				if !strings.Contains(string(plain), want) {
					t.Errorf("no %q in\n%s", want, plain)
				}
			}
			if strings.Contains(string(plain), "canary") || strings.Contains(string(plain), "Y2FuYXJ5") || strings.Contains(string(plain), "hunter2") {
				t.Errorf("a value remains:\n%s", plain)
			}
			if _, err := theirs.Open(name, remade); !errors.Is(err, ErrOtherKey) {
				t.Errorf("the original's key reads what was made anew: %v", err)
			}
			if len(m.Made().All()) == 0 && name != "empty.yaml" {
				t.Error("no placeholder was noted")
			}
			if again, err := Opening(theirs, m)(name, encrypted); err != nil || string(again) == string(plain) && name != "empty.yaml" {
				t.Errorf("with the key: %v\n%s", err, again)
			}
		})
	}
}

// A Secret's keys get the forms of its type, in base64 where data has them.
func TestPlaceholdersFitTheSecret(t *testing.T) {
	m := maker(t, nil)
	plain, err := m.Open("s.yaml", sealedAs(t, "s.yaml", typedSecret, onlyValues, newKey(t).Recipients()...))
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Data map[string][]byte `json:"data"`
	}
	if err := yaml.Unmarshal(plain, &s); err != nil {
		t.Fatal(err)
	}
	if _, err := tls.X509KeyPair(s.Data["tls.crt"], s.Data["tls.key"]); err != nil {
		t.Error(err)
	}
}

// A variable's value gets the form of the place where the variable lands.
func TestPlacesDecide(t *testing.T) {
	m := maker(t, map[string]string{"svc.yaml": "kind: Service\nspec: {ports: [{nodePort: \"${ENTRY}\"}]}\n---\nkind: X\nspec: {cidr: \"${NET}\", url: \"https://${WHERE}/\"}\n"})
	plain, err := m.Open("s.yaml", sealedAs(t, "s.yaml", "kind: Secret\nstringData: {ENTRY: canary, NET: canary, WHERE: canary}\n", onlyValues, newKey(t).Recipients()...))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`ENTRY: "3`, "NET: 198.51.100.", "WHERE: where.seatrial-placeholder.example"} {
		if !strings.Contains(string(plain), want) {
			t.Errorf("no %q in\n%s", want, plain)
		}
	}
}

// An object of a built layer is opened as JSON, and gets the same values as its file.
func TestBuiltObjectGetsTheFilesValues(t *testing.T) {
	m := maker(t, nil)
	file := sealedAs(t, "s.yaml", typedSecret, onlyValues, newKey(t).Recipients()...)
	object, err := yaml.YAMLToJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Open("object.json", object)
	if err != nil {
		t.Fatal(err)
	}
	want, err := m.Open("s.yaml", file)
	if err != nil {
		t.Fatal(err)
	}
	var a, b map[string]any
	if err := errors.Join(json.Unmarshal(got, &a), yaml.Unmarshal(want, &b)); err != nil {
		t.Fatal(err)
	}
	one, _ := json.Marshal(a)
	other, _ := json.Marshal(b)
	if string(one) != string(other) {
		t.Errorf("got\n%s\nwant\n%s", one, other)
	}
}

// Documents that were encrypted one by one, and plain ones beside them, stay what they are.
func TestJoinedDocuments(t *testing.T) {
	k := newKey(t)
	secret := func(name string) string {
		return string(sealedAs(t, "s.yaml", "kind: Secret\nmetadata: {name: "+name+"}\nstringData: {a: canary}\n", onlyValues, k.Recipients()...))
	}
	joined := []byte("kind: Namespace\n---\n" + secret("one") + "---\n" + secret("two") + "---\nkind: ConfigMap\ndata: {a: plain}\n")
	m := maker(t, nil)
	remade, err := m.Rekey("s.yaml", joined)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(remade), "sops:"); n != 2 {
		t.Errorf("%d documents are encrypted:\n%s", n, remade)
	}
	plain, err := m.Key().Open("s.yaml", remade)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kind: Namespace", "name: one", "name: two", "a: seatrial-placeholder", "a: plain"} {
		if !strings.Contains(string(plain), want) {
			t.Errorf("no %q in\n%s", want, plain)
		}
	}
	if got, err := k.Open("s.yaml", joined); err != nil || strings.Count(string(got), "a: canary") != 2 {
		t.Errorf("%v\n%s", err, got)
	}
}

// Whatever key a file is encrypted for, the file that is made of it is for an age key.
func TestOtherKeyServices(t *testing.T) {
	k, other := newKey(t), newKey(t)
	b := sealedAs(t, "s.yaml", "kind: Secret\nstringData: {a: canary}\n", onlyValues, k.Recipients()...)
	tree, err := store().LoadEncryptedFile(b)
	if err != nil {
		t.Fatal(err)
	}
	service := &kms.MasterKey{Arn: "arn:aws:kms:eu-west-1:000000000000:key/0", EncryptedKey: "AA=="}
	for name, c := range map[string]struct {
		groups    []sops.KeyGroup
		threshold int
		suits     bool
	}{
		"kms":                {[]sops.KeyGroup{{service}}, 0, false},
		"kms or age":         {[]sops.KeyGroup{{service, tree.Metadata.KeyGroups[0][0]}}, 0, true},
		"groups, all needed": {[]sops.KeyGroup{{service}, {tree.Metadata.KeyGroups[0][0].(*sopsage.MasterKey)}}, 2, false},
	} {
		tree.Metadata.KeyGroups, tree.Metadata.ShamirThreshold = c.groups, c.threshold
		file, err := store().EmitEncryptedFile(tree)
		if err != nil {
			t.Fatal(err)
		}
		m := maker(t, nil)
		remade, err := m.Rekey("s.yaml", file)
		if err != nil {
			t.Fatal(name, err)
		}
		if plain, err := m.Key().Open("s.yaml", remade); err != nil || !strings.Contains(string(plain), "a: seatrial-placeholder") || strings.Contains(string(remade), "kms:\n") {
			t.Errorf("%s: %v\n%s", name, err, remade)
		}
		if k.Suits(file) != c.suits {
			t.Errorf("%s: suits: %v", name, !c.suits)
		}
	}
	if !other.Suits(b) {
		t.Error("a file for another age key is not to be opened with the given one")
	}
	if _, err := Opening(other, maker(t, nil))("s.yaml", b); !errors.Is(err, ErrOtherKey) {
		t.Errorf("a file for another age key: %v", err)
	}
}

// A file that nobody could decrypt is an error, and the error does not quote what is in it.
func TestFilesThatAreNotWhole(t *testing.T) {
	good := string(sealedAs(t, "s.yaml", "kind: Secret\nstringData: {a: canary}\n", onlyValues, newKey(t).Recipients()...))
	i := strings.Index(good, "a: ENC[")
	end := i + strings.Index(good[i:], "\n")
	for name, content := range map[string]string{
		"plain":         "kind: Secret\nstringData: {a: canary}\n",
		"plain value":   good[:i] + "a: canary-canary" + good[end:],
		"no keys":       "a: ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]\nsops:\n    mac: ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]\n    lastmodified: \"2026-01-01T00:00:00Z\"\n    version: 3.13.3\n",
		"type":          strings.Replace(good, "type:str]", "type:what]", 1),
		"deep":          `{"sops":"ENC[","a":` + strings.Repeat("[", 100_000),
		"aliases":       good + "---\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n",
		"itself":        good + "---\na: &a [*a]\n",
		"binary of map": strings.Replace(good, "kind", "[", 1),
	} {
		_, err := maker(t, nil).Rekey("s.yaml", []byte(content))
		if err == nil || strings.Contains(err.Error(), "canary-canary") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzRekey(f *testing.F) {
	k, err := NewKey()
	if err != nil {
		f.Fatal(err)
	}
	m, err := NewMaker(nil)
	if err != nil {
		f.Fatal(err)
	}
	for name, plain := range map[string]string{"a.yaml": typedSecret, "a.json": `{"a":{"b":[1,"x"]}}`, "a.env": "A=b\n", "a.ini": "[a]\nb = c\n", "a.txt": "x"} {
		s := storeFor(sealed.FormatOf(name))
		branches, err := s.LoadPlainFile([]byte(plain))
		if err != nil {
			f.Fatal(err)
		}
		b, err := encryptAs(s, branches, k.Recipients(), sops.Metadata{UnencryptedSuffix: "_u"})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(name, b)
	}
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		remade, err := m.Rekey(name, b)
		if err != nil {
			return
		}
		plain, err := m.Open(name, b)
		if err != nil {
			return // not every format can be written as every other
		}
		got, err := m.Key().Open(name, remade)
		if err != nil || string(got) != string(plain) {
			t.Errorf("%v: decrypted\n%s\nwant\n%s", err, got, plain)
		}
	})
}
