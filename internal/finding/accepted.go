package finding

import "slices"

// Accepted is what a repo says of a finding that it accepts. The zero value is that of one that it does not.
type Accepted struct {
	Reason string `json:"reason"`
	// Until is the last day on which it is accepted, as 2027-01-31.
	Until string `json:"until"`
	// Severity is what the finding would be.
	Severity Severity `json:"severity"`
}

// codes are all codes, in the order in which they are declared.
var codes = []Code{
	YAMLInvalid, PathNotFound, BuildFailed, TooLarge, DependencyCycle, DanglingDepends, DanglingSource, SharedObject, MissingNamespace, OrphanedFolder, CRDAndCR,
	RemovedAPI, SOPSRecipient, SOPSNoDecryption, PlaintextSecret, SOPSChanged, MissingDependency, UnknownValue,
	SecretKeyMissing, BackendNotFound, PodSecurity, ImageInvalid, ImageBypassesProxy, UnknownKind, DecryptFailed,
	ApplyFailed, SourceFailed, NotGenerated, SourceUnreachable, HelmFailed, PackageFailed, PackageRBAC, HealthCheckFailed,
	NotCurrent, NotReconciled, StaleAcceptance, ClusterDiffers, ObjectOwned, LacksRights,
}

// live are the codes that only a rehearsal finds.
var live = []Code{
	SecretKeyMissing, BackendNotFound, PodSecurity, ImageInvalid, ImageBypassesProxy, UnknownKind, DecryptFailed,
	ApplyFailed, SourceFailed, NotGenerated, SourceUnreachable, HelmFailed, PackageFailed, PackageRBAC, HealthCheckFailed,
	NotCurrent, NotReconciled,
}

// Codes lists all codes.
func Codes() []Code { return slices.Clone(codes) }

// Live says whether only a rehearsal finds what has this code.
func (c Code) Live() bool { return slices.Contains(live, c) }

// Unacceptable says why a repo can't accept a finding; empty if it can.
func (c Code) Unacceptable() string {
	switch c {
	case TooLarge:
		return "nothing is rehearsed then"
	case SOPSChanged:
		return "whoever changed the file did not have its key"
	case ClusterDiffers, ObjectOwned, LacksRights:
		return "it is found by a promotion, which has --allow-differences"
	case StaleAcceptance:
		return "it is about this list"
	}
	return ""
}

// Excuse accepts a finding: it is a warning from then on.
func (f *Finding) Excuse(reason, until string) {
	f.Accepted = Accepted{Reason: reason, Until: until, Severity: f.Severity}
	f.Severity = Warning
}

// Excused says whether the finding is accepted.
func (f Finding) Excused() bool { return f.Accepted != Accepted{} }

// ExcusedErrors are the findings that would fail a run if they were not accepted.
func ExcusedErrors(all []Finding) []Finding {
	var out []Finding
	for _, f := range all {
		if f.Accepted.Severity == Error {
			out = append(out, f)
		}
	}
	return out
}

// Count counts findings: errors, warnings, and those that are accepted, which are neither.
func Count(all []Finding) (errors, warnings, accepted int) {
	for _, f := range all {
		switch {
		case f.Excused():
			accepted++
		case f.Severity == Error:
			errors++
		default:
			warnings++
		}
	}
	return errors, warnings, accepted
}
