package check

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/sealed"
)

// recipients finds files that are encrypted for others than .sops.yaml says,
// or that the given key can't read.
func recipients(r *gitops.Repo, o Options) []finding.Finding {
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, obj := range l.Objects {
			if !obj.Encrypted {
				continue
			}
			f := about(l, obj, finding.SOPSRecipient)
			if f.Message = wrongFor(r, o, obj.File, obj.Object); f.Message == "" {
				continue
			}
			f.Fix = fixRecipients(obj.File)
			out = append(out, f)
		}
		out = append(out, sealedSources(r, l, o)...)
	}
	return out
}

// sealedSources finds the same in the files that a layer decrypts before it is built: its patches, and what its
// generators take.
func sealedSources(r *gitops.Repo, l *gitops.Layer, o Options) []finding.Finding {
	if !l.Decrypts || l.Foreign {
		return nil
	}
	var out []finding.Finding
	told := map[string]bool{}
	for _, s := range sealed.Sources(r.File, l.Path) {
		b, there := r.File(s.File)
		if !there || told[s.File] || !sealed.Marked(s.Format(), b) {
			continue
		}
		told[s.File] = true
		var doc map[string]any
		if first, _, _ := bytes.Cut(b, []byte("\n---\n")); yaml.Unmarshal(first, &doc) != nil {
			continue // neither YAML nor JSON: what it is encrypted for is not read here
		}
		f := on(l, finding.SOPSRecipient)
		if f.Message = wrongFor(r, o, s.File, doc); f.Message == "" {
			continue
		}
		f.File, f.Line, f.Fix = s.File, 1, fixRecipients(s.File)
		out = append(out, f)
	}
	return out
}

func fixRecipients(file string) string {
	return "run sops updatekeys " + file + " with a key that can read it, or encrypt it again"
}

// wrongFor says in which way a document is encrypted for the wrong keys; "" if it is not, or if a key service
// can decrypt it, which is not ours to judge.
func wrongFor(r *gitops.Repo, o Options, file string, doc map[string]any) string {
	age, pgp, services := gitops.Recipients(doc), gitops.Fingerprints(doc), gitops.KeyServices(doc)
	unread := len(age) > 0 && len(o.KeyRecipients) > 0 || len(pgp) > 0 && len(o.KeyFingerprints) > 0
	if services || len(age) > 0 && len(o.KeyRecipients) == 0 || len(pgp) > 0 && len(o.KeyFingerprints) == 0 ||
		overlap(age, o.KeyRecipients) || slices.ContainsFunc(pgp, func(s string) bool { return opens(o.KeyFingerprints, s) }) {
		unread = false
	}
	want, ruled := r.RecipientsFor(file)
	switch {
	case unread:
		return "the file is encrypted for another key than the given one: its recipients are " + strings.Join(slices.Concat(age, pgp), ", ")
	case ruled && len(want) > 0 && len(age) > 0 && !overlap(age, want):
		return fmt.Sprintf("the file is encrypted for %s, but .sops.yaml names %s", strings.Join(age, ", "), strings.Join(want, ", "))
	}
	return ""
}

// opens says whether one of the fingerprints is the one that a file names, maybe by its end.
func opens(ours []string, theirs string) bool {
	theirs = strings.ToUpper(strings.ReplaceAll(theirs, " ", ""))
	return slices.ContainsFunc(ours, func(s string) bool { return theirs != "" && strings.HasSuffix(s, theirs) })
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
