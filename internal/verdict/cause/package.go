package cause

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/prose"
)

// isPackage says whether a PackageInstall or App failed.
func (f Failure) isPackage() bool {
	return f.Ref.GroupKind == gitops.PackageInstallKind || f.Ref.GroupKind == gitops.AppKind
}

// account is the service account that a package is installed with.
func (f Failure) account() string {
	if f.Live == nil {
		return ""
	}
	name, _, _ := unstructured.NestedString(f.Live.Object, "spec", "serviceAccountName")
	return name
}

// packageForbidden: the package's service account may not do what the package needs.
func packageForbidden(f Failure) ([]finding.Finding, bool) {
	if !f.isPackage() || !strings.Contains(f.Message, "forbidden") {
		return nil, false
	}
	out := f.finding(finding.PackageRBAC)
	out.Message = fmt.Sprintf("the package's service account %s may not do what the package needs", f.account())
	out.Fix = "grant the verbs that the evidence names to ServiceAccount " + f.account()
	return one(out)
}

// packageAccount: the package's service account does not exist.
func packageAccount(f Failure) ([]finding.Finding, bool) {
	if !f.isPackage() || !strings.Contains(f.Message, "Getting service account") {
		return nil, false
	}
	out := f.finding(finding.PackageRBAC)
	out.Message = fmt.Sprintf("the package's service account %s does not exist", f.account())
	out.Fix = "create ServiceAccount " + f.account() + " in the PackageInstall's namespace, in an earlier layer"
	return one(out)
}

// packageVersion: no package of the name and version is to be had.
func packageVersion(f Failure) ([]finding.Finding, bool) {
	if !f.isPackage() || !strings.Contains(f.Message, "Expected to find at least one version") {
		return nil, false
	}
	out := f.finding(finding.PackageFailed)
	out.Message = "no package of that name and version is visible in its namespace"
	out.Fix = "check refName and constraints, and that the PackageRepository is in the packaging global namespace"
	return one(out)
}

// packageFailed: the package does not install for any other reason.
func packageFailed(f Failure) ([]finding.Finding, bool) {
	if !f.isPackage() {
		return nil, false
	}
	out := f.finding(finding.PackageFailed)
	out.Message = "the package does not install: " + prose.LastLine(f.Message)
	out.Fix = "see the evidence; its values and what earlier layers provide are the usual causes"
	return one(out)
}
