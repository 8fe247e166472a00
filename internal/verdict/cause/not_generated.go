package cause

import (
	"regexp"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/prose"
)

// Messages of source-watcher: about sources that are not there, have no artifact, or can't be fetched; and about an
// artifact that it can't make by one of its copies.
var (
	unfetched = regexp.MustCompile(`^(?:get|fetch) sources failed: (.*)`)
	uncopied  = regexp.MustCompile(`^(\S+) build failed: failed to apply copy operations: failed to apply copy operation from '([^']*)' to '[^']*': (.*)`)
)

// notGenerated: an ArtifactGenerator does not make its artifacts.
func notGenerated(f Failure) ([]finding.Finding, bool) {
	if f.Ref.GroupKind != gitops.ArtifactGeneratorKind {
		return nil, false
	}
	out := f.finding(finding.NotGenerated)
	out.Message, out.Fix = "it makes no artifacts: "+prose.FirstLine(f.Message), "mend its spec"
	if m := unfetched.FindStringSubmatch(prose.FirstLine(f.Message)); m != nil {
		out.Code = finding.SourceFailed
		out.Message, out.Fix = "it waits for its sources: "+m[1], "see that each of spec.sources is declared, and can be fetched"
	} else if m := uncopied.FindStringSubmatch(prose.FirstLine(f.Message)); m != nil {
		out.Message = "it can't make the artifact " + m[1] + ": copy from " + m[2] + ": " + m[3]
		out.Fix = "correct the path in spec.artifacts; what .sourceignore and the source's spec.ignore leave out is not there"
	}
	return one(out)
}
