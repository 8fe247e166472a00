package cause

import (
	"testing"

	"seatrial.dev/seatrial/internal/finding"
)

func TestPackage(t *testing.T) {
	const install = "apiVersion: packaging.carvel.dev/v1alpha1\nkind: PackageInstall\nmetadata: {name: contour, namespace: web}\nspec: {serviceAccountName: installer}"
	check(t, []told{
		{name: "may not", of: install, message: `ReconcileFailed: kapp: Error: create customresourcedefinition/x: customresourcedefinitions is forbidden: User "system:serviceaccount:web:installer" cannot create resource`,
			want: finding.PackageRBAC, at: "apps/all.yaml:29", says: "installer may not do", fix: "grant the verbs"},
		{name: "no account", of: install, message: `ReconcileFailed: Preparing kapp: Getting service account: serviceaccounts "installer" not found`,
			want: finding.PackageRBAC, says: "installer does not exist", fix: "create ServiceAccount installer"},
		{name: "no package", of: install, message: "ReconcileFailed: Expected to find at least one version, but did not",
			want: finding.PackageFailed, says: "no package of that name and version", fix: "packaging global namespace"},
		{name: "anything else", of: install, message: "ReconcileFailed: ytt: Error:\n  - value of wrong type\n", want: finding.PackageFailed, says: "does not install: - value of wrong type"},
	})
}
