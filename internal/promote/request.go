package promote

import (
	"context"
	"fmt"
	"strings"

	"seatrial.dev/seatrial/internal/forge"
	"seatrial.dev/seatrial/internal/hint"
)

// request opens or renews a pull or merge request of the commit into the branch that the cluster
// tracks. Somebody merges it; --resume then watches.
func (p *promotion) request(ctx context.Context) error {
	d := p.target.Delivery
	if p.delivered {
		p.landed = p.base // it is merged
		p.result.Delivered = p.landed
		return p.sendEvidence(ctx)
	}
	if p.Resume {
		p.refuse(fmt.Sprintf("the request is not merged: branch %s of %s is at %.12s", d.Branch, d.Remote, p.base), "have it merged; a merge that makes another tree has to be rehearsed")
		return ErrRefused
	}
	if p.base == "" {
		p.refuse(fmt.Sprintf("%s has no branch %s for a request to go into", d.Remote, d.Branch), "make it, or deliver the first time with type branch")
		return ErrRefused
	}
	if err := p.ownServer(ctx); err != nil {
		return err
	}
	provider, err := p.Forge(d)
	if err != nil {
		return err
	}
	branch := RequestBranch(p.Name)
	if err := p.Clone.PushRequest(ctx, d.Remote, p.head, branch); err != nil {
		return err
	}
	if err := p.sendEvidence(ctx); err != nil {
		return err
	}
	address, err := provider.Request(ctx, forge.Request{
		From: branch, Into: d.Branch, Title: fmt.Sprintf("Promote %.12s to %s", p.head, p.Name), Body: p.result.Markdown(forge.MaxBody),
	})
	if err != nil {
		return err
	}
	if err := provider.Status(ctx, p.head, true, fmt.Sprintf("rehearsed on tier %s: %s", p.proof.Tier, p.result.Evidence.outcome()), ""); err != nil {
		return err
	}
	p.result.Request, p.result.Delivered, p.result.Outcome, p.over = address, p.head, Requested, true
	p.result.Next = append(p.result.Next, fmt.Sprintf("have %s merged without changes (fast-forward or a merge commit of the same tree), then: seatrial promote --to %s --resume", address, p.Name))
	return nil
}

// RequestBranch is the branch from which a target's requests go.
func RequestBranch(target string) string { return "seatrial/promote-" + strings.ToLower(target) }

// ownServer returns an error if the token would go to another server than the remote's.
func (p *promotion) ownServer(ctx context.Context) error {
	d := p.target.Delivery
	remote, err := p.Clone.URL(ctx, d.Remote)
	if err != nil || p.Policy != nil { // the caller says that it is so
		return err
	}
	server := hostOf(d.Server)
	if server == "" {
		server = map[string]string{"github": "github.com", "gitlab": "gitlab.com"}[d.Provider]
	}
	if name, _, _ := strings.Cut(server, ":"); name == "" || !strings.Contains(remote, "/"+name) && !strings.Contains(remote, "@"+name) {
		return hint.New(fmt.Sprintf("the provider's server is %q, and remote %s is on another: the token is not sent there", server, d.Remote), "name the remote's server as the delivery's, or give the policy yourself: --policy FILE")
	}
	return nil
}
