package promote

import (
	"context"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/policy"
)

// declared puts what the tree declares of its cluster over what its manifests say, as the rehearsal did. What it accepts
// of rehearsals is none of the cluster's: what fails there has failed.
func (p *promotion) declared(ctx context.Context) error {
	text, err := p.Clone.File(ctx, p.head, policy.File)
	if err != nil || text == nil {
		return err
	}
	r, err := policy.Parse(policy.File, text)
	if err != nil {
		return err
	}
	p.takes = p.takes.With(r.PodSecurity, r.PackagingGlobalNamespace)
	return nil
}

// acceptedAs is the reason for which the tree accepts a finding of its rehearsal; empty if it does not.
func (p *promotion) acceptedAs(f finding.Finding) string {
	for _, a := range p.proof.Accepted {
		if a.Code == f.Code && a.Object == f.Object {
			return a.Reason
		}
	}
	return ""
}
