package cause

import (
	"regexp"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

var (
	// refusal matches what clients make of a refusal of the door (package egress): its status.
	refusal = regexp.MustCompile(`424 Failed Dependency|status code:? 424|returned error: 424`)
	// reason is the door's own word, where the client passes it on.
	reason = regexp.MustCompile(`seatrial: ([^\n]*)`)
)

// OutOfReach says whether a message tells of something that the rehearsal could not reach.
func OutOfReach(message string) bool { return refusal.MatchString(message) }

// outOfReach: what a source or layer takes from outside could not be reached by the rehearsal. Nothing is
// known to be wrong with the repo.
func outOfReach(f Failure) ([]finding.Finding, bool) {
	said, what := f.Message, "it"
	switch {
	case f.isLayer():
		what = "something that its kustomization.yaml names"
	case f.Ref.GroupKind == gitops.HelmReleaseKind:
		said, what = f.failingSource(), "its chart"
	}
	if !OutOfReach(said) {
		return nil, false
	}
	out := f.finding(finding.SourceUnreachable)
	out.Message, out.Evidence = what+" could not be reached from here", said
	if m := reason.FindStringSubmatch(said); m != nil {
		out.Message += ": " + strings.TrimSpace(m[1])
	}
	out.Fix = FixOutOfReach(out.Message)
	return one(out)
}

// FixOutOfReach is what to do where a source could not be reached, by why that is.
func FixOutOfReach(why string) string {
	switch {
	case strings.Contains(why, "--sources stand-in"):
		return "it has no stand-in: use --sources auto, cached or live"
	case strings.Contains(why, "--sources cached"):
		return "fetch it once, where it can be reached: seatrial sources pull"
	case strings.Contains(why, "--age-key"):
		return "give the key with --age-key, or let a run that has it fetch it for later ones: seatrial sources pull"
	case strings.Contains(why, "x509"):
		return "see that its certificate is right; an authority of your own goes into SSL_CERT_FILE"
	case strings.Contains(why, "is not reached"):
		return "it is refused on purpose (docs/security.md): give the source another address"
	}
	return "see that its name is right, and that this machine reaches it (HTTPS_PROXY, SSL_CERT_FILE); what an earlier run has fetched, --sources cached takes"
}
