package promote

import (
	"context"
	"fmt"
	"strings"

	"seatrial.dev/seatrial/internal/forge"
)

// request opens or renews a pull or merge request of the commit into the branch that the cluster
// tracks. Somebody merges it; --resume then watches.
func (p *promotion) request(ctx context.Context) error {
	d := p.target.Delivery
	if p.delivered {
		p.landed = p.base // it is merged
		p.result.Delivered = p.landed
		return p.Clone.PushNotes(ctx, d.Remote)
	}
	if p.Resume {
		p.refuse(fmt.Sprintf("the request is not merged: branch %s of %s is at %.12s", d.Branch, d.Remote, p.base), "have it merged; a merge that makes another tree has to be rehearsed")
		return ErrRefused
	}
	if p.base == "" {
		p.refuse(fmt.Sprintf("%s has no branch %s for a request to go into", d.Remote, d.Branch), "make it, or deliver the first time with type branch")
		return ErrRefused
	}
	provider, err := p.Forge(d)
	if err != nil {
		return err
	}
	branch := RequestBranch(p.Name)
	if err := p.Clone.Push(ctx, d.Remote, p.head, branch); err != nil {
		return err
	}
	if err := p.Clone.PushNotes(ctx, d.Remote); err != nil {
		return err
	}
	address, err := provider.Request(ctx, forge.Request{
		From: branch, Into: d.Branch, Title: fmt.Sprintf("Promote %.12s to %s", p.head, p.Name), Body: p.result.Markdown(forge.MaxBody),
	})
	if err != nil {
		return err
	}
	if err := provider.Status(ctx, p.head, true, fmt.Sprintf("rehearsed on tier %s: every layer reconciled", p.proof.Tier), ""); err != nil {
		return err
	}
	p.result.Request, p.result.Delivered, p.result.Outcome, p.over = address, p.head, Requested, true
	p.result.Next = append(p.result.Next, fmt.Sprintf("have %s merged without changes (fast-forward or a merge commit of the same tree), then: seatrial promote --to %s --resume", address, p.Name))
	return nil
}

// RequestBranch is the branch from which a target's requests go.
func RequestBranch(target string) string { return "seatrial/promote-" + strings.ToLower(target) }
