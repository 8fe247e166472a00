package promote

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/clone"
	"seatrial.dev/seatrial/internal/evidence"
	"seatrial.dev/seatrial/internal/policy"
	"seatrial.dev/seatrial/internal/verdict"
)

// failed says whether the promotion was delivered and did not reconcile.
func (p *promotion) failed() bool { return p.result.Outcome == Failed }

// goBack is the command by which the cluster goes back.
func (p *promotion) goBack() string {
	return fmt.Sprintf("to go back to what ran before, if the layers still fail: seatrial promote --to %s --resume --on-failure rollback, with the same kubeconfig", p.Name)
}

// wayBack takes the cluster back to the last tree with evidence, if that is what is asked for: by a
// new commit, as history is never rewritten, and through the same gate.
func (p *promotion) wayBack(ctx context.Context) error {
	if cmp.Or(p.OnFailure, p.target.OnFailure) != policy.Rollback {
		return nil
	}
	to, err := p.lastGood(ctx)
	if err != nil {
		return err
	}
	if to == "" {
		p.result.Next = append(p.result.Next, "no earlier commit of the branch was promoted with evidence that the policy accepts: nothing was rolled back")
		return nil
	}
	if lost, err := p.keeps(ctx, to); err != nil || len(lost) > 0 {
		p.result.Next = append(p.result.Next, fmt.Sprintf("going back to %.12s would lose something, so nothing was rolled back (--allow-prune allows it): %s", to, strings.Join(lost, "; ")))
		return err
	}
	p.result.Next = nil
	done := p.Console.Step(fmt.Sprintf("go back to %.12s", to))
	err = p.revert(ctx, to)
	done(err)
	return err
}

// lastGood is the newest commit before this promotion that the cluster has reconciled, and whose tree, but for what flux
// bootstrap added, has evidence that the policy accepts but for its age.
func (p *promotion) lastGood(ctx context.Context) (string, error) {
	commits, err := p.Clone.FirstParents(ctx, p.result.Delivered, maxBack)
	if err != nil {
		return "", err
	}
	if err := p.Clone.FetchNotes(ctx, p.target.Delivery.Remote, clone.Promoted); err != nil {
		return "", err
	}
	for i, commit := range commits {
		names, err := p.Clone.Notes(ctx, clone.Promoted, commit)
		if err != nil {
			return "", err
		}
		if commit == p.result.Delivered || !slices.Contains(strings.Fields(string(names)), p.Name) {
			continue
		}
		if good, err := p.proven(ctx, commits[i:]); err != nil || good {
			return commit, err
		}
	}
	return "", nil
}

// proven says whether the first of commits, or one before it from which it differs in what flux bootstrap added only, has
// evidence that the policy accepts but for its age.
func (p *promotion) proven(ctx context.Context, commits []string) (bool, error) {
	unaged := *p.policy
	unaged.Evidence.MaxAge = ageless
	for _, commit := range commits {
		only, err := p.onlyBootstrapped(ctx, commit, commits[0])
		if err != nil || !only {
			return false, err
		}
		tree, err := p.Clone.Tree(ctx, commit)
		if err != nil {
			return false, err
		}
		lines, err := p.Clone.Notes(ctx, clone.Evidence, commit)
		if err != nil {
			return false, err
		}
		opened, refused := evidence.Open(ctx, lines, p.policy.PublicKeys(), p.policy.Evidence.Unsigned)
		if unaged.Judge(opened, refused, policy.Subject{Tree: tree, Path: p.target.Path}, p.Now()).Opens != nil {
			return true, nil
		}
	}
	return false, nil
}

// keeps says why the cluster can't go back to a commit without losing what holds data, or Flux itself; nothing if it can.
func (p *promotion) keeps(ctx context.Context, to string) ([]string, error) {
	changes, err := p.Clone.Changes(ctx, p.result.Delivered, to)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, c := range changes {
		if c.How == "D" && bootstrapped(p.target.Path, c.File) {
			out = append(out, fmt.Sprintf("%.12s lacks %s: Flux would remove itself", to, c.File))
		}
	}
	now, err := p.load(ctx, p.result.Delivered)
	if err != nil {
		return nil, err
	}
	then, err := p.load(ctx, to)
	if err != nil {
		return nil, err
	}
	if !p.AllowPrune {
		out = append(out, endangered(compare(now, then))...)
	}
	return out, nil
}

// ageless is older than any evidence is.
const ageless = "1000000h"

// maxBack is how many commits are looked at for one to go back to.
const maxBack = 200

// reverts is the trailer of a commit that takes a promotion back: it names what was promoted.
const reverts = "Seatrial-Reverts: "

// revert delivers the tree of a commit again, and watches it.
func (p *promotion) revert(ctx context.Context, to string) error {
	d := p.target.Delivery
	if d.Type == policy.ToOCI {
		return p.revertOCI(ctx, to)
	}
	back, err := p.Clone.Revert(ctx, p.landed, to, fmt.Sprintf("Go back to %.12s\n\nThe promotion to %s failed.\n\n%s%s\n", to, p.Name, reverts, p.head))
	if err != nil {
		return err
	}
	if err := p.Clone.Push(ctx, d.Remote, back, d.Branch); err != nil {
		return fmt.Errorf("branch %s of %s was not moved: %w", d.Branch, d.Remote, err)
	}
	p.result.Back = back
	if err := p.ask(ctx); err != nil {
		return err
	}
	return p.watchBack(ctx, back)
}

// watchBack follows the layers after the way back.
func (p *promotion) watchBack(ctx context.Context, revision string) (err error) {
	if p.result.Again, err = p.judgeLayers(ctx, revision); err != nil {
		return err
	}
	if p.result.Again.Verdict == verdict.Pass {
		p.result.Outcome = RolledBack
		p.result.Next = append(p.result.Next, fmt.Sprintf("the branch holds the revert: git pull %s %s, mend it, and rehearse again", p.target.Delivery.Remote, p.target.Delivery.Branch))
		return nil
	}
	p.result.Outcome = Failed
	p.result.Next = append(p.result.Next, "the way back does not reconcile either: see the second report")
	return nil
}
