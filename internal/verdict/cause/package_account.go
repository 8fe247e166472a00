package cause

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/finding"
)

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

// account returns the name of the service account that a package is installed with.
func (f Failure) account() string {
	if f.Live == nil {
		return ""
	}
	name, _, _ := unstructured.NestedString(f.Live.Object, "spec", "serviceAccountName")
	return name
}
