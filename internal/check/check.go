// Package check finds what can be known of a repo without a cluster. Each rule
// is a file of its own and names problems by the codes a rehearsal uses.
package check

import (
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// Options are what the rules know besides the repo.
type Options struct {
	// KeyRecipients are the public halves of the key that the cluster will
	// decrypt with; empty if no key was given.
	KeyRecipients []string
	// KeyFingerprints are those of the PGP keys that it will decrypt with; empty if none was given.
	KeyFingerprints []string
	// Ignored are the files that Git ignores, by slash-separated path.
	Ignored map[string]bool
	// Namespaces are those that exist before Flux.
	Namespaces []string
	// Open decrypts a SOPS file and verifies its message authentication code; nil
	// without a key.
	Open func(encrypted []byte) error
}

// rules are all rules, a file each. Their order decides nothing: findings are sorted.
var rules = []func(*gitops.Repo, Options) []finding.Finding{
	buildable, archives, cycles, dangling, sources, crdAndCR, removedAPIs, recipients, undecrypted, plaintext,
	unordered, releaseOrder, misspeltValues, sharedObject, circularWaits, orphaned, missingNamespaces,
}

// Run applies every rule.
func Run(r *gitops.Repo, o Options) []finding.Finding {
	var all []finding.Finding
	for _, rule := range rules {
		all = append(all, rule(r, o)...)
	}
	return finding.Merge(all, nil)
}

// on starts a finding about a layer.
func on(l *gitops.Layer, code finding.Code) finding.Finding {
	return finding.Finding{
		Code: code, Severity: finding.Error, Layer: l.Title(),
		Object: gitops.Identity("Kustomization", l.Namespace, l.Name), File: l.File, Line: l.Line,
	}
}

// about starts a finding about an object of a layer.
func about(l *gitops.Layer, o *gitops.Object, code finding.Code) finding.Finding {
	f := on(l, code)
	f.Object, f.File, f.Line = o.Identity(), o.File, o.Line
	return f
}
