package check

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// recipients finds files that are encrypted for others than .sops.yaml says,
// or that the given key can't read.
func recipients(r *gitops.Repo, o Options) []finding.Finding {
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, obj := range l.Objects {
			if !obj.Encrypted || len(obj.Recipients) == 0 {
				continue // another key service than age: not ours to judge
			}
			f := about(l, obj, finding.SOPSRecipient)
			want, ruled := r.RecipientsFor(obj.File)
			switch {
			case len(o.KeyRecipients) > 0 && !overlap(obj.Recipients, o.KeyRecipients):
				f.Message = "the file is encrypted for another key than the given one: its recipients are " + strings.Join(obj.Recipients, ", ")
			case ruled && len(want) > 0 && !overlap(obj.Recipients, want):
				f.Message = fmt.Sprintf("the file is encrypted for %s, but .sops.yaml names %s", strings.Join(obj.Recipients, ", "), strings.Join(want, ", "))
			default:
				continue
			}
			f.Fix = "run sops updatekeys " + obj.File + " with a key that can read it, or encrypt it again"
			out = append(out, f)
		}
	}
	return out
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// undecrypted finds encrypted files in layers that apply them as they are.
func undecrypted(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if !o.Encrypted || l.Decrypts || l.Foreign || l.Ref == gitops.RootLayer && l.File == "" {
				continue
			}
			f := about(l, o, finding.SOPSNoDecryption)
			f.Message = "the file is encrypted, but layer " + l.Name + " has no decryption"
			f.Fix = "add decryption: {provider: sops, secretRef: {name: sops-age}} to Kustomization " + l.Name
			out = append(out, f)
		}
	}
	return out
}

// plaintext finds Secrets whose values anyone with the repo can read. It is an
// error where .sops.yaml wants the file encrypted, and a warning elsewhere:
// some Secrets hold nothing secret.
func plaintext(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.GetKind() != "Secret" || o.GetAPIVersion() != "v1" || o.Encrypted || !hasValues(o.Unstructured) {
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
