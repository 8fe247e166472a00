// Package finding is what Seatrial says about a repo: one problem, where it is
// and what to do. Static checks and rehearsals use the same codes.
package finding

import (
	"cmp"
	"fmt"
	"slices"
)

// Severity says whether a finding keeps a repo from passing.
type Severity string

// Only errors fail a check or a rehearsal.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Code is a stable kebab-case name of a kind of problem.
type Code string

// The codes. Those marked (live) are only found by a rehearsal.
const (
	YAMLInvalid        Code = "yaml-invalid"            // a manifest that a layer uses does not parse
	PathNotFound       Code = "path-not-found"          // a layer's path is not in the repo
	BuildFailed        Code = "build-failed"            // kustomize build fails
	TooLarge           Code = "too-large"               // a file or layer is too large to be read: nothing is rehearsed
	DependencyCycle    Code = "dependency-cycle"        // layers depend on each other in a circle
	DanglingDepends    Code = "dangling-dependency"     // dependsOn names a layer that does not exist
	DanglingSource     Code = "dangling-source"         // a release takes its chart from a source that no layer brings
	SharedObject       Code = "shared-object"           // two layers apply the same object with different content
	MissingNamespace   Code = "missing-namespace"       // nothing brings a namespace that objects are put into
	OrphanedFolder     Code = "orphaned-folder"         // no layer takes a folder that lies among those of layers
	CRDAndCR           Code = "crd-and-cr-in-one-layer" // an object and what installs its kind are applied together
	RemovedAPI         Code = "removed-api-version"     // an apiVersion that Kubernetes or Flux no longer serves
	SOPSRecipient      Code = "sops-wrong-recipient"    // a file is encrypted for another key
	SOPSNoDecryption   Code = "sops-without-decryption" // an encrypted file in a layer that does not decrypt
	PlaintextSecret    Code = "plaintext-secret"        // a Secret's values are readable in Git
	SOPSChanged        Code = "sops-file-changed"       // a file was changed after it was encrypted
	MissingDependency  Code = "missing-dependency"      // something needs what another layer or release brings, and does not wait for it
	UnknownValue       Code = "unknown-value"           // a chart's value that is likely misspelt
	SecretKeyMissing   Code = "secret-key-missing"      // (live) a pod reads a key that its Secret or ConfigMap does not have
	BackendNotFound    Code = "backend-not-found"       // (live) a route leads to a Service or port that does not exist
	PodSecurity        Code = "pod-security"            // (live) Pod Security refuses a workload's pods
	ImageInvalid       Code = "image-invalid"           // (live) an image reference that no registry can have
	ImageBypassesProxy Code = "image-bypasses-proxy"    // (live) an image does not come through the registry proxy that the repo declares
	UnknownKind        Code = "unknown-kind"            // (live) nothing serves an object's kind
	DecryptFailed      Code = "sops-decrypt-failed"     // (live) a file can't be decrypted for another reason
	ApplyFailed        Code = "apply-failed"            // (live) the API server refuses an object, or a layer is not applied for a reason that no other code has
	SourceFailed       Code = "source-failed"           // (live) a chart, image or Git source can't be fetched
	NotGenerated       Code = "artifact-not-generated"  // (live) an ArtifactGenerator can't make its artifacts of its sources
	SourceUnreachable  Code = "source-unreachable"      // (live) a source could not be reached from where the rehearsal ran, and is neither in the cache nor has a stand-in
	HelmFailed         Code = "helm-release-failed"     // (live)
	PackageFailed      Code = "package-install-failed"  // (live)
	PackageRBAC        Code = "package-lacks-rbac"      // (live) a package's service account may not do what the package needs
	HealthCheckFailed  Code = "health-check-failed"     // (live) a layer waits for an object that does not become ready, and that can't be told by itself
	NotCurrent         Code = "object-not-current"      // (live) an object is not current, whether its layer waits for it or calls itself Ready
	NotReconciled      Code = "not-reconciled"          // (live) a layer did not reconcile in time
	StaleAcceptance    Code = "stale-acceptance"        // an entry under accept of .seatrial.yaml is of no use any more
	ClusterDiffers     Code = "cluster-differs"         // (promotion) the real cluster is not as the rehearsal assumed
	ObjectOwned        Code = "object-owned-by-other"   // (promotion) an object of the repo is on the cluster, and belongs to somebody else
	LacksRights        Code = "lacks-rights"            // (promotion) the account may not do or read what a promotion needs
)

// Finding is one problem.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	// Layer is the name of the Kustomization, empty if the problem belongs to none.
	Layer string `json:"layer,omitempty"`
	// Object is Kind/namespace/name, or Kind/name.
	Object string `json:"object,omitempty"`
	// File is relative to the repo, with slashes.
	File string `json:"file,omitempty"`
	// Line counts from 1; 0 if unknown.
	Line    int    `json:"line,omitempty"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
	// Evidence is what the cluster or a tool said, word for word.
	Evidence string `json:"evidence,omitempty"`
	// Accepted is what .seatrial.yaml says of a finding that it accepts: that is a warning, whatever it was.
	Accepted Accepted `json:"accepted,omitzero"`
}

// Where is "file:line", the file alone if the line is unknown, or "".
func (f Finding) Where() string {
	if f.File == "" || f.Line == 0 {
		return f.File
	}
	return fmt.Sprintf("%s:%d", f.File, f.Line)
}

// Merge joins two lists and sorts errors first. If b has a finding of the same code,
// object and file as one of a, both are one problem: the words of a are kept, and its
// evidence, layer and severity are completed from b. Within one list, only identical
// findings are merged.
func Merge(a, b []Finding) []Finding {
	type subject struct {
		code         Code
		object, file string
	}
	var out []Finding
	said := map[Finding]bool{}
	first := map[subject]int{} // of list a
	for i, f := range slices.Concat(a, b) {
		k := subject{f.Code, f.Object, f.File}
		if at, known := first[k]; known && i >= len(a) {
			if out[at].Evidence == "" {
				out[at].Evidence = f.Evidence
			}
			if out[at].Layer == "" {
				out[at].Layer = f.Layer
			}
			if f.Severity == Error {
				out[at].Severity = Error
			}
			continue
		}
		if said[f] {
			continue
		}
		said[f] = true
		if _, known := first[k]; !known && i < len(a) {
			first[k] = len(out)
		}
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(x, y Finding) int {
		return cmp.Or(cmp.Compare(x.Severity, y.Severity), cmp.Compare(x.Layer, y.Layer), cmp.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line), cmp.Compare(x.Message, y.Message))
	})
	return out
}

// Conceal passes the findings' free text through f: one that takes secret values out.
// Codes, severities, layers and files are not free text.
func Conceal(all []Finding, f func(string) string) {
	for i := range all {
		for _, text := range []*string{&all[i].Object, &all[i].Message, &all[i].Fix, &all[i].Evidence, &all[i].Accepted.Reason} {
			*text = f(*text)
		}
	}
}

// Errors counts the findings that fail a run.
func Errors(all []Finding) int {
	n := 0
	for _, f := range all {
		if f.Severity == Error {
			n++
		}
	}
	return n
}
