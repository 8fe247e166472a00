package check

import (
	"bytes"
	"encoding/base64"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// plaintext finds Secrets whose values anyone with the repo can read. It is an
// error where .sops.yaml wants the file encrypted, and a warning elsewhere:
// some Secrets hold nothing secret.
func plaintext(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	overlays := overlaySecrets(r)
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.GetKind() != "Secret" || o.GetAPIVersion() != "v1" || o.Encrypted || o.Opened || !hasValues(o.Unstructured) || overlays[gitops.Ref{Namespace: o.GetNamespace(), Name: o.GetName()}] && isOverlay(o.Unstructured) {
				continue
			}
			f := about(l, o, finding.PlaintextSecret)
			f.Message, f.Fix = "the Secret's values are in plain text", "encrypt it with sops, then change the values: they are in the history"
			if _, ruled := r.RecipientsFor(o.File); !ruled {
				f.Severity = finding.Warning
			}
			out = append(out, f)
		}
	}
	return out
}

// generatedFromSOPS says whether a Secret's value is an encrypted file, which a
// kustomize generator put in as it is.
func generatedFromSOPS(value string) bool {
	b, err := base64.StdEncoding.DecodeString(value)
	return err == nil && (bytes.Contains(b, []byte("ENC[AES256_GCM")) || bytes.HasPrefix(b, []byte("ENC[")))
}

// overlaySecrets are the Secrets that packages take ytt overlays from.
func overlaySecrets(r *gitops.Repo) map[gitops.Ref]bool {
	out := map[gitops.Ref]bool{}
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			for key, name := range o.GetAnnotations() {
				if strings.HasPrefix(key, "ext.packaging.carvel.dev/ytt-paths-from-secret-name") && o.GetKind() == "PackageInstall" {
					out[gitops.Ref{Namespace: o.GetNamespace(), Name: name}] = true
				}
			}
		}
	}
	return out
}

// isOverlay says whether all that a Secret holds is ytt overlays, which kapp-controller reads from
// Secrets only: programs, for a package.
func isOverlay(u *unstructured.Unstructured) bool {
	values, _, _ := unstructured.NestedStringMap(u.Object, "stringData")
	for _, v := range values {
		if !strings.HasPrefix(v, `#@ load("@ytt:overlay"`) {
			return false
		}
	}
	_, encoded, _ := unstructured.NestedFieldNoCopy(u.Object, "data")
	return len(values) > 0 && !encoded
}

func hasValues(u *unstructured.Unstructured) bool {
	plain := false
	for _, field := range []string{"data", "stringData"} {
		values, _, _ := unstructured.NestedMap(u.Object, field)
		for _, v := range values {
			s, ok := v.(string)
			if strings.HasPrefix(s, "ENC[") || generatedFromSOPS(s) {
				return false // all of it comes from an encrypted file
			}
			plain = plain || ok && s != "" && !strings.HasPrefix(s, "${")
		}
	}
	return plain
}
