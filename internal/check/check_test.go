package check

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/generate"
	"seatrial.dev/seatrial/internal/gitops"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/secrets"
)

func sample(t *testing.T) (fstest.MapFS, *secrets.Key, string) {
	t.Helper()
	key, err := secrets.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	b := blueprint.Default()
	b.Recipients = key.Recipients()
	files, err := generate.Render(b, generate.NewCredentials(), nil)
	if err != nil {
		t.Fatal(err)
	}
	tree := fstest.MapFS{}
	for name, f := range files {
		if f.Secret {
			if f.Data, err = secrets.Encrypt(f.Data, b.Recipients, secrets.EncryptedRegex); err != nil {
				t.Fatal(err)
			}
		}
		tree[name] = &fstest.MapFile{Data: f.Data}
	}
	return tree, key, generate.Path(b)
}

func run(t *testing.T, tree fstest.MapFS, path string, o Options) []finding.Finding {
	t.Helper()
	r, err := gitops.Load(tree, path)
	if err != nil {
		t.Fatal(err)
	}
	return Run(r, o)
}

func TestGeneratedRepoIsCleanAndFast(t *testing.T) {
	tree, key, path := sample(t)
	start := time.Now()
	if got := run(t, tree, path, Options{KeyRecipients: key.Recipients()}); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %s", took)
	}
}

// Each fault that a user could put into the sample is found where it is.
// manifests is the folder of the sample's manifests.
const manifests = "platforms/clusters/services/flux-sources/"

// fault is a change of the sample, and what must be said of it.
type fault struct {
	change func(fstest.MapFS)
	o      Options
	want   finding.Finding
}

// faults are faults that need no key but the sample's.
var faults = map[string]fault{
	"plaintext where SOPS is wanted": {
		change: func(f fstest.MapFS) {
			f[manifests+"secrets/minio.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: m, namespace: minio}\nstringData: {a: b}\n")}
		},
		want: finding.Finding{Code: finding.PlaintextSecret, Severity: finding.Error, Layer: "secrets", Object: "Secret/minio/m", File: manifests + "secrets/minio.yaml", Line: 2},
	},
	"plaintext elsewhere": {
		change: func(f fstest.MapFS) {
			f[".sops.yaml"] = &fstest.MapFile{Data: []byte("creation_rules: [{path_regex: /secrets/, age: x}]")}
			f[manifests+"helm/m.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: m, namespace: minio}\nstringData: {a: b}\n")}
		},
		want: finding.Finding{Code: finding.PlaintextSecret, Severity: finding.Warning, Layer: "helm", Object: "Secret/minio/m", File: manifests + "helm/m.yaml", Line: 2},
	},
	"encrypted file in a layer that does not decrypt": {
		change: func(f fstest.MapFS) {
			f[manifests+"helm/s.yaml"] = f[manifests+"secrets/minio.yaml"]
		},
		want: finding.Finding{Code: finding.SOPSNoDecryption, Severity: finding.Error, Layer: "helm", Object: "Secret/minio/minio-credentials", File: manifests + "helm/s.yaml", Line: 2},
	},
	"missing path": {
		change: func(f fstest.MapFS) {
			delete(f, manifests+"kapp-post/cert-manager.yaml")
			delete(f, manifests+"kapp-post/cert-manager-secrets.yaml")
		},
		want: finding.Finding{Code: finding.PathNotFound, Severity: finding.Error, Layer: "kapp-post", Object: "Kustomization/flux-system/kapp-post", File: "platforms/clusters/services/kustomizations/kapp-layer-kustomizations.yaml", Line: 55},
	},
	"broken YAML": {
		change: func(f fstest.MapFS) {
			f[manifests+"helm/m.yaml"] = &fstest.MapFile{Data: []byte("a: b\n  c: d\n")}
		},
		want: finding.Finding{Code: finding.YAMLInvalid, Severity: finding.Error, Layer: "helm", Object: "Kustomization/flux-system/helm", File: manifests + "helm/m.yaml", Line: 2},
	},
	"a layer that does not wait for the kinds it needs": {
		change: func(f fstest.MapFS) {
			const file = "platforms/clusters/services/kustomizations/helm-layer-kustomizations.yaml"
			f[file] = &fstest.MapFile{Data: bytes.Replace(f[file].Data, []byte("  - name: kapp\n"), nil, 1)}
		},
		want: finding.Finding{Code: finding.MissingDependency, Severity: finding.Warning, Layer: "helm-post", Object: "Certificate/harbor/harbor-tls", File: manifests + "helm-post/harbor.yaml", Line: 2},
	},
	"a release that does not wait for its database": {
		change: func(f fstest.MapFS) {
			f[manifests+"helm/harbor.yaml"] = &fstest.MapFile{Data: bytes.Replace(f[manifests+"helm/harbor.yaml"].Data, []byte("  dependsOn:\n  - name: harbor-postgresql\n    namespace: harbor\n"), nil, 1)}
		},
		want: finding.Finding{Code: finding.MissingDependency, Severity: finding.Warning, Layer: "helm", Object: "HelmRelease/harbor/harbor", File: manifests + "helm/harbor.yaml", Line: 2},
	},
	"a misspelt source": {
		change: func(f fstest.MapFS) {
			f[manifests+"helm/harbor.yaml"] = &fstest.MapFile{Data: bytes.Replace(f[manifests+"helm/harbor.yaml"].Data, []byte("name: harbor\n        namespace: flux-system"), []byte("name: habror\n        namespace: flux-system"), 1)}
		},
		want: finding.Finding{Code: finding.DanglingSource, Severity: finding.Error, Layer: "helm", Object: "HelmRelease/harbor/harbor", File: manifests + "helm/harbor.yaml", Line: 2},
	},
	"a misspelt value": {
		change: func(f fstest.MapFS) {
			f[manifests+"helm/harbor.yaml"] = &fstest.MapFile{Data: bytes.Replace(f[manifests+"helm/harbor.yaml"].Data, []byte("externalURL:"), []byte("externalUrl:"), 1)}
		},
		want: finding.Finding{Code: finding.UnknownValue, Severity: finding.Warning, Layer: "helm", Object: "HelmRelease/harbor/harbor", File: manifests + "helm/harbor.yaml", Line: 2},
	},
	"CRD and CR": {
		change: func(f fstest.MapFS) {
			f[manifests+"kapp/issuer.yaml"] = f[manifests+"kapp-post/cert-manager.yaml"]
		},
		want: finding.Finding{Code: finding.CRDAndCR, Severity: finding.Error, Layer: "kapp", Object: "ClusterIssuer/bootstrap-issuer", File: manifests + "kapp/issuer.yaml", Line: 3},
	},
}

func TestFaultsInTheSample(t *testing.T) {
	other, err := secrets.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	all := maps.Clone(faults)
	all["another key"] = fault{
		change: func(fstest.MapFS) {}, o: Options{KeyRecipients: other.Recipients()},
		want: finding.Finding{Code: finding.SOPSRecipient, Severity: finding.Error, Layer: "secrets", Object: "Secret/minio/minio-credentials", File: manifests + "secrets/minio.yaml", Line: 2},
	}
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			tree, key, path := sample(t)
			c.change(tree)
			if len(c.o.KeyRecipients) == 0 {
				c.o.KeyRecipients = key.Recipients()
			}
			got := run(t, tree, path, c.o)
			for _, f := range got {
				f.Message, f.Fix, f.Evidence = "", "", ""
				if f == c.want {
					return
				}
			}
			t.Errorf("want %+v\ngot %+v", c.want, got)
		})
	}
}

func TestFixtures(t *testing.T) {
	const fixtures = "../../fixtures/repos"
	entries, err := os.ReadDir(fixtures)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		r, err := gitops.Load(os.DirFS(filepath.Join(fixtures, e.Name())), "clusters/services")
		if err != nil {
			t.Fatal(err)
		}
		var codes []string
		for _, f := range Run(r, Options{Namespaces: []string{"tkg-system"}}) {
			codes = append(codes, string(f.Code))
		}
		want := map[string]string{
			"bootstrapped": "", "package-lacks-rbac": "", "crd-and-cr": "crd-and-cr-in-one-layer", "removed-api": "removed-api-version",
			"dangling-dependency": "dangling-dependency", "dependency-cycle": "dependency-cycle dependency-cycle", "sops-wrong-recipient": "sops-wrong-recipient",
			"healthy": "", "live-faults": "build-failed", "many-faults": "dependency-cycle dependency-cycle crd-and-cr-in-one-layer sops-wrong-recipient sops-without-decryption " +
				"missing-dependency missing-dependency missing-dependency plaintext-secret",
		}[e.Name()]
		if got := strings.Join(codes, " "); got != want {
			t.Errorf("%s: got %q, want %q", e.Name(), got, want)
		}
	}
}

// An audit looks at every SOPS file, and finds what a check does not look for.
func TestAudit(t *testing.T) {
	tree, key, path := sample(t)
	open := func(b []byte) error { _, err := secrets.Decrypt(b, key); return err }
	audit := func() []finding.Finding {
		t.Helper()
		r, err := gitops.Load(tree, path)
		if err != nil {
			t.Fatal(err)
		}
		found, err := Audit(r, tree, Options{KeyRecipients: key.Recipients(), Open: open})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if got := audit(); len(got) > 0 {
		t.Fatalf("a fresh repo: %+v", got)
	}
	const dir = "platforms/clusters/services/flux-sources/"
	other, err := secrets.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	shared, err := secrets.Encrypt([]byte("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: b}\n"), append(key.Recipients(), other.Recipients()...), secrets.EncryptedRegex)
	if err != nil {
		t.Fatal(err)
	}
	tree[dir+"unused/shared.yaml"] = &fstest.MapFile{Data: shared}
	tree[dir+"secrets/minio.yaml"].Data = bytes.Replace(tree[dir+"secrets/minio.yaml"].Data, []byte("name: minio-credentials"), []byte("name: minio-credentialz"), 1)
	tree[dir+"helm/harbor.yaml"].Data = append(tree[dir+"helm/harbor.yaml"].Data, []byte("    harborAdminPassword: hunter2-and-more\n")...)
	got := audit()
	for code, file := range map[finding.Code]string{
		finding.SOPSRecipient: dir + "unused/shared.yaml", finding.SOPSChanged: dir + "secrets/minio.yaml", finding.PlaintextSecret: dir + "helm/harbor.yaml",
	} {
		if !slices.ContainsFunc(got, func(f finding.Finding) bool { return f.Code == code && f.File == file }) {
			t.Errorf("no %s of %s in %+v", code, file, got)
		}
	}
	for _, f := range got {
		if strings.Contains(f.Message+f.Evidence+f.Fix, "hunter2") {
			t.Error("an audit prints what it finds")
		}
	}
}

// The audit also looks at files of the repo that no layer applies.
func TestAuditFindsWhatNoLayerApplies(t *testing.T) {
	tree, key, path := sample(t)
	const dir = "platforms/clusters/services/flux-sources/"
	tree["my.key"] = &fstest.MapFile{Data: append([]byte("# mine\n"), key.Text()...)}
	tree["old/secret.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\nstringData:\n  a: b\n")}
	tree[dir+"helm/settings.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: harbor}\ndata: {DB_PASSWORD: 'Pa$$w0rd-123456'}\n")}
	r, err := gitops.Load(tree, path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Audit(r, tree, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"my.key", "old/secret.yaml", dir + "helm/settings.yaml"} {
		if !slices.ContainsFunc(got, func(f finding.Finding) bool { return f.Code == finding.PlaintextSecret && f.File == file }) {
			t.Errorf("nothing of %s in %+v", file, got)
		}
	}
}
