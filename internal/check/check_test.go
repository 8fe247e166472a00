package check

import (
	"os"
	"path/filepath"
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
	files, err := generate.Repo(b)
	if err != nil {
		t.Fatal(err)
	}
	tree := fstest.MapFS{}
	for name, b := range files {
		tree[name] = &fstest.MapFile{Data: b}
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
func TestFaultsInTheSample(t *testing.T) {
	const dir = "platforms/clusters/services/flux-sources/"
	other, err := secrets.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(fstest.MapFS)
		o      Options
		want   finding.Finding
	}{
		"plaintext where SOPS is wanted": {
			change: func(f fstest.MapFS) {
				f[dir+"secrets/minio-credentials.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: m, namespace: minio}\nstringData: {a: b}\n")}
			},
			want: finding.Finding{Code: finding.PlaintextSecret, Severity: finding.Error, Layer: "secrets", Object: "Secret/minio/m", File: dir + "secrets/minio-credentials.yaml", Line: 2},
		},
		"plaintext elsewhere": {
			change: func(f fstest.MapFS) {
				f[dir+"helm/m.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: m, namespace: minio}\nstringData: {a: b}\n")}
			},
			want: finding.Finding{Code: finding.PlaintextSecret, Severity: finding.Warning, Layer: "helm", Object: "Secret/minio/m", File: dir + "helm/m.yaml", Line: 2},
		},
		"encrypted file in a layer that does not decrypt": {
			change: func(f fstest.MapFS) {
				f[dir+"helm/s.yaml"] = f[dir+"secrets/minio-credentials.yaml"]
			},
			want: finding.Finding{Code: finding.SOPSNoDecryption, Severity: finding.Error, Layer: "helm", Object: "Secret/minio/minio-credentials", File: dir + "helm/s.yaml", Line: 2},
		},
		"another key": {
			change: func(fstest.MapFS) {}, o: Options{KeyRecipients: other.Recipients()},
			want: finding.Finding{Code: finding.SOPSRecipient, Severity: finding.Error, Layer: "secrets", Object: "Secret/minio/minio-credentials", File: dir + "secrets/minio-credentials.yaml", Line: 2},
		},
		"missing path": {
			change: func(f fstest.MapFS) { delete(f, dir+"kapp-post/issuer.yaml") },
			want:   finding.Finding{Code: finding.PathNotFound, Severity: finding.Error, Layer: "kapp-post", Object: "Kustomization/flux-system/kapp-post", File: "platforms/clusters/services/kustomizations/kapp-layer-kustomizations.yaml", Line: 54},
		},
		"broken YAML": {
			change: func(f fstest.MapFS) {
				f[dir+"helm/m.yaml"] = &fstest.MapFile{Data: []byte("a: b\n  c: d\n")}
			},
			want: finding.Finding{Code: finding.YAMLInvalid, Severity: finding.Error, Layer: "helm", Object: "Kustomization/flux-system/helm", File: dir + "helm/m.yaml", Line: 2},
		},
		"CRD and CR": {
			change: func(f fstest.MapFS) {
				f[dir+"kapp/issuer.yaml"] = f[dir+"kapp-post/issuer.yaml"]
			},
			want: finding.Finding{Code: finding.CRDAndCR, Severity: finding.Error, Layer: "kapp", Object: "ClusterIssuer/vault-issuer", File: dir + "kapp/issuer.yaml", Line: 4},
		},
	} {
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
		for _, f := range Run(r, Options{}) {
			codes = append(codes, string(f.Code))
		}
		want := map[string]string{
			"bootstrapped": "", "package-lacks-rbac": "", "crd-and-cr": "crd-and-cr-in-one-layer", "removed-api": "removed-api-version",
			"dangling-dependency": "dangling-dependency", "dependency-cycle": "dependency-cycle dependency-cycle", "sops-wrong-recipient": "sops-wrong-recipient",
		}[e.Name()]
		if got := strings.Join(codes, " "); got != want {
			t.Errorf("%s: got %q, want %q", e.Name(), got, want)
		}
	}
}
