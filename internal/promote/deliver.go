package promote

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"seatrial.dev/seatrial/internal/clone"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/policy"
)

// deliver gets the tree to where the cluster takes it from.
func (p *promotion) deliver(ctx context.Context) error {
	switch p.target.Delivery.Type {
	case policy.ToOCI:
		return p.push(ctx)
	case policy.ToRequest:
		return p.request(ctx)
	}
	return p.moveBranch(ctx)
}

// moveBranch moves the branch that the cluster tracks forward, and sends the evidence along.
func (p *promotion) moveBranch(ctx context.Context) error {
	d := p.target.Delivery
	switch {
	case p.Resume && p.base == "":
		p.refuse(fmt.Sprintf("there is nothing to resume: %s has no branch %s", d.Remote, d.Branch), "promote without --resume")
		return ErrRefused
	case p.reverted:
		p.landed, p.result.Delivered, p.result.Back, p.over = p.base, p.head, p.base, true
		return p.watchBack(ctx, p.base)
	case p.delivered:
		p.landed = p.base
	case p.Resume:
		p.refuse(fmt.Sprintf("there is nothing to resume: branch %s of %s is at %.12s", d.Branch, d.Remote, p.base), "promote without --resume, or check out the commit that was delivered")
		return ErrRefused
	default:
		if err := p.Clone.Push(ctx, d.Remote, p.head, d.Branch); err != nil {
			return p.moved(ctx, err)
		}
		p.landed = p.head
	}
	p.result.Delivered = p.landed
	return p.sendEvidence(ctx)
}

// sendEvidence keeps the evidence that opened the gate with the commit, and sends it along.
func (p *promotion) sendEvidence(ctx context.Context) error {
	if err := p.Clone.AddNotes(ctx, clone.Evidence, p.head, p.proof.Line); err != nil {
		return err
	}
	return p.Clone.PushNotes(ctx, p.target.Delivery.Remote, clone.Evidence)
}

// moved explains why a branch could not be moved.
func (p *promotion) moved(ctx context.Context, why error) error {
	d := p.target.Delivery
	now, err := p.Clone.Fetch(ctx, d.Remote, d.Branch)
	if err != nil || now == p.base {
		return errors.Join(why, err)
	}
	p.refuse(fmt.Sprintf("branch %s of %s moved to %.12s at the same moment", d.Branch, d.Remote, now), fmt.Sprintf("bring it in (git pull %s %s), rehearse the outcome and promote that", d.Remote, d.Branch))
	return ErrRefused
}

// keySecrets are the Secrets whose keys the layers decrypt with, each once.
func keySecrets(r *gitops.Repo) []gitops.Ref {
	var out []gitops.Ref
	for _, l := range r.Layers {
		if ref := l.DecryptionSecret; ref.Name != "" && !slices.Contains(out, ref) {
			out = append(out, ref)
		}
	}
	return out
}

// giveKeys creates the Secrets that the layers decrypt with, from the key given. One that is there
// stays as it is.
func (p *promotion) giveKeys(ctx context.Context) (err error) {
	if p.AgeKey == nil || p.over || len(p.missing) == 0 {
		return nil
	}
	done := p.Console.Step("give the cluster its age key")
	defer func() { done(err) }()
	for _, ref := range p.missing {
		if err := p.client.MakeNamespace(ctx, ref.Namespace, nil, nil); err != nil {
			return err
		}
		entries := map[string]any{}
		for name, key := range p.AgeKey.Entries() {
			entries[name] = key
		}
		secret := kube.Object("v1", "Secret", ref.Namespace, ref.Name, map[string]any{"type": "Opaque", "stringData": entries})
		r, err := p.client.Resource(secret)
		if err != nil {
			return err
		}
		if _, err := r.Create(ctx, secret, metav1.CreateOptions{FieldManager: kube.FieldManager}); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create Secret %s: %w", ref, err)
		}
	}
	return nil
}
