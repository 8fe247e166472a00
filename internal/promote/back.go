package promote

import (
	"context"
	"fmt"

	"seatrial.dev/seatrial/internal/evidence"
	"seatrial.dev/seatrial/internal/policy"
	"seatrial.dev/seatrial/internal/verdict"
)

// failed says whether the promotion was delivered and did not reconcile.
func (p *promotion) failed() bool { return p.result.Outcome == Failed }

// goBack is the command by which the cluster goes back.
func (p *promotion) goBack() string {
	return fmt.Sprintf("to go back: seatrial promote --to %s --resume --on-failure rollback", p.Name)
}

// wayBack takes the cluster back to the last tree with evidence, if that is what is asked for: by a
// new commit, as history is never rewritten, and through the same gate.
func (p *promotion) wayBack(ctx context.Context) error {
	if p.OnFailure != policy.Rollback {
		return nil
	}
	p.result.Next = nil
	to, err := p.lastGood(ctx)
	if err != nil {
		return err
	}
	if to == "" {
		p.result.Next = append(p.result.Next, "no earlier commit of the branch has evidence that the policy accepts: nothing was rolled back")
		return nil
	}
	if p.At != nil {
		p.At("back")
	}
	done := p.Console.Step(fmt.Sprintf("go back to %.12s", to))
	err = p.revert(ctx, to)
	done(err)
	return err
}

// lastGood is the newest commit before this promotion whose tree has evidence that the policy accepts
// but for its age, as it has run since; with what flux bootstrap added to it.
func (p *promotion) lastGood(ctx context.Context) (string, error) {
	from, err := p.Clone.FirstParents(ctx, p.result.Delivered, maxBack)
	if err != nil {
		return "", err
	}
	unaged := *p.policy
	unaged.Evidence.MaxAge = ageless
	for i, commit := range from {
		tree, err := p.Clone.Tree(ctx, commit)
		if err != nil {
			return "", err
		}
		if tree == p.result.Tree {
			continue // what fails now
		}
		lines, err := p.Clone.Notes(ctx, commit)
		if err != nil {
			return "", err
		}
		opened, refused := evidence.Open(ctx, lines, p.policy.PublicKeys(), p.policy.Evidence.Unsigned)
		if unaged.Judge(opened, refused, policy.Subject{Tree: tree, Path: p.target.Path}, p.Now()).Opens != nil {
			return p.whole(ctx, from[:i+1])
		}
	}
	return "", nil
}

// whole is the newest of commits that adds nothing to the last of them but what flux bootstrap wrote. Without these
// files, Flux would prune itself, so "" is returned if they would go.
func (p *promotion) whole(ctx context.Context, commits []string) (string, error) {
	good := commits[len(commits)-1]
	to := good
	for i := len(commits) - 2; i >= 0; i-- {
		only, err := p.onlyBootstrapped(ctx, good, commits[i])
		if err != nil {
			return "", err
		}
		if !only || commits[i] == p.result.Delivered {
			break
		}
		to = commits[i]
	}
	changes, err := p.Clone.Changes(ctx, p.result.Delivered, to)
	if err != nil {
		return "", err
	}
	for _, c := range changes {
		if c.How == "D" && bootstrapped(p.target.Path, c.File) {
			p.Console.Note(fmt.Sprintf("%.12s has evidence, but lacks %s: Flux would remove itself", to, c.File))
			return "", nil
		}
	}
	return to, nil
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
		return p.moved(ctx, err)
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
	p.result.Next = append(p.result.Next, "the way back does not reconcile either: see the second report")
	return nil
}
