package promote

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/upstream"
)

// sourcesStay refuses evidence whose sources have moved since: what the cluster would fetch by the same tag was not
// rehearsed. What can't be asked from here is told as not looked at.
func (p *promotion) sourcesStay(ctx context.Context) error {
	for _, s := range p.proof.Sources {
		if s.Tag == "" {
			continue // it follows a branch or a range, as the repo wants it
		}
		what := fmt.Sprintf("tag %s of %s", s.Tag, s.URL)
		if s.Chart != "" {
			what = fmt.Sprintf("version %s of chart %s of %s", s.Tag, s.Chart, s.URL)
		}
		now, err := p.resolve(ctx, s)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			p.differs(finding.Warning, finding.ClusterDiffers, s.Kind+"/"+s.Object, "see that it still leads to "+s.Revision, "whether %s is the same as in the rehearsal was not found out: %v", what, err)
		case !strings.HasSuffix(s.Revision, now):
			p.refuse(fmt.Sprintf("%s has moved since the rehearsal, from %s to %s", what, s.Revision, now), "rehearse again, or pin it by digest or commit")
		}
	}
	return p.refused()
}

// resolve returns what a source's tag leads to now: sha256: or sha1: and digits.
func (p *promotion) resolve(ctx context.Context, s report.Source) (string, error) {
	if s.Chart != "" {
		return upstream.ChartDigest(ctx, s.URL, s.Chart, s.Tag, upstream.Options{})
	}
	if s.Kind == gitRepository {
		commit, err := p.Clone.RemoteTag(ctx, s.URL, s.Tag)
		return "sha1:" + commit, err
	}
	ref, err := name.NewTag(strings.TrimPrefix(s.URL, "oci://") + ":" + s.Tag)
	if err != nil {
		return "", err
	}
	if host := ref.RegistryStr(); strings.HasPrefix(host, "127.0.0.1:") || strings.HasPrefix(host, "localhost:") {
		if ref, err = name.NewTag(ref.String(), name.Insecure); err != nil {
			return "", err
		}
	}
	d, err := remote.Head(ref, options(ctx)...)
	if err != nil {
		return "", err
	}
	return d.Digest.String(), nil
}
