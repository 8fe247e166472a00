package promote

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/clone"
	"seatrial.dev/seatrial/internal/evidence"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/policy"
	"seatrial.dev/seatrial/internal/prose"
)

// take takes the commit that is checked out: all of it, and nothing else.
func (p *promotion) take(ctx context.Context) (err error) {
	if p.head, err = p.Clone.Head(ctx); err != nil {
		return err
	}
	tree, err := p.Clone.Tree(ctx, p.head)
	if err != nil {
		return err
	}
	p.result.Commit, p.result.Tree = p.head, tree
	dirty, err := p.Clone.Dirty(ctx)
	if err != nil {
		return err
	}
	if dirty != "" {
		lines := strings.Split(dirty, "\n")
		p.refuse(fmt.Sprintf("the clone differs from its last commit in %s: %s", prose.Count(len(lines), "file"), prose.Brief(strings.Join(lines, ", "), 200)), "commit and rehearse it, or put it away: git stash --include-untracked")
	}
	return p.refused()
}

// LoadPolicy reads the policy of a commit; nil if it has none.
func LoadPolicy(ctx context.Context, c *clone.Clone, commit string) (*policy.Promotion, error) {
	text, err := c.File(ctx, commit, policy.File)
	if err != nil {
		return nil, err
	}
	if text != nil {
		if p, err := ParsePolicy(policy.File, text); p != nil || err != nil {
			return p, err
		}
	}
	// The file may speak of rehearsals only.
	if text, err = c.File(ctx, commit, blueprint.File); err != nil || text == nil {
		return nil, err
	}
	return ParsePolicy(blueprint.File, text)
}

// ParsePolicy reads the policy of a blueprint or of a file of kind Rehearsal; nil if it has none.
func ParsePolicy(name string, text []byte) (*policy.Promotion, error) {
	var head struct{ Kind string }
	if yaml.Unmarshal(text, &head) == nil && head.Kind == blueprint.Kind {
		b, err := blueprint.Parse(name, text)
		if err != nil {
			return nil, err
		}
		return b.Promotion, nil
	}
	r, err := policy.Parse(name, text)
	if err != nil {
		return nil, err
	}
	return r.Promotion, nil
}

// judge finds the policy that holds, and looks for evidence that it accepts.
func (p *promotion) judge(ctx context.Context) error {
	own, err := LoadPolicy(ctx, p.Clone, p.head)
	if err != nil && p.Policy == nil {
		return err
	}
	p.policy = own
	if p.Policy != nil {
		p.policy = p.Policy
	}
	if p.policy == nil {
		return hint.New("no policy says what a promotion takes", "seatrial init --policy writes "+policy.File+", which says what each line accepts")
	}
	if p.target = p.policy.Targets[p.Name]; p.target == nil {
		return hint.New(fmt.Sprintf("the policy has no target %q", p.Name), "use one of "+strings.Join(p.policy.Names(), ", "))
	}
	return p.weigh(ctx)
}

// weigh looks for evidence that the policy accepts.
func (p *promotion) weigh(ctx context.Context) error {
	p.result.Path, p.result.policy, p.result.Evidence = p.target.Path, p.policy, nil
	remote := p.target.Delivery.Remote
	if err := p.Clone.FetchNotes(ctx, remote, clone.Evidence); err != nil {
		return err
	}
	lines, err := p.Clone.Notes(ctx, clone.Evidence, p.head)
	if err != nil {
		return err
	}
	opened, refused := evidence.Open(ctx, append(append(bytes.Clone(p.Evidence), '\n'), lines...), p.policy.PublicKeys(), p.policy.Evidence.Unsigned)
	weighing := *p.policy
	if p.Resume {
		weighing.Evidence.MaxAge = ageless // it was young enough when it was delivered
	}
	v := weighing.Judge(opened, refused, policy.Subject{Tree: p.result.Tree, Path: p.target.Path}, p.Now())
	if p.proof = v.Opens; p.proof == nil {
		for _, r := range v.Reasons {
			p.refuse(r.What, r.Fix)
		}
		return p.refused()
	}
	p.result.Evidence = &Proof{
		Tier: p.proof.Tier, Finished: p.proof.Finished, SignedBy: p.proof.SignedBy, StandIns: len(p.proof.StandIns),
		Assumptions: p.proof.Assumptions, Rekeyed: len(p.proof.Rekeyed), BlindSpots: p.proof.BlindSpots, Accepted: p.proof.Accepted,
	}
	return p.sourcesStay(ctx)
}

// guard has the policy of what the cluster runs hold as well: a change of the policy counts from the next promotion
// on. Otherwise a change could open its own gate. The target is the one of this very cluster, whatever it is called.
func (p *promotion) guard(ctx context.Context) error {
	if !p.runs.syncs {
		p.Console.Note("the cluster does not sync the repo yet: this tree's own policy holds")
		return nil
	}
	if p.ran = p.runs.commit(); p.ran == "" || p.Policy != nil {
		return nil // it has fetched nothing yet, or the caller says what holds
	}
	if !p.Clone.Has(ctx, p.ran) {
		if branch := p.runs.branch(); branch != "" {
			if _, err := p.Clone.Fetch(ctx, p.target.Delivery.Remote, branch); err != nil {
				return err
			}
		}
	}
	if !p.Clone.Has(ctx, p.ran) {
		p.refuse(fmt.Sprintf("the cluster runs commit %.12s, which is not in this clone: the policy that guards it is not known", p.ran), "fetch it (git fetch --all), or say which policy holds: --policy FILE")
		return p.refused()
	}
	theirs, err := LoadPolicy(ctx, p.Clone, p.ran)
	if err != nil {
		return hint.Wrap(fmt.Errorf("the policy that guards %s now (%.12s) can't be read: %w", p.Name, p.ran, err), "say which policy holds: --policy FILE")
	}
	if theirs == nil {
		return nil
	}
	name := p.Name
	if t := theirs.Targets[name]; t == nil || t.Cluster != p.target.Cluster {
		i := slices.IndexFunc(theirs.Names(), func(n string) bool { return theirs.Targets[n].Cluster == p.target.Cluster })
		if i < 0 {
			p.Console.Note("the policy that the cluster runs does not name it: this tree's own policy holds")
			return nil
		}
		name = theirs.Names()[i]
	}
	if reflect.DeepEqual(theirs, p.policy) {
		return nil
	}
	p.Console.Note(fmt.Sprintf("this tree changes the policy: the one in force (%.12s) holds as well for this promotion, and its target %s (--policy FILE takes another)", p.ran, name))
	p.policy, p.target, p.result.PolicyChanges = theirs, theirs.Targets[name], true
	if err := p.weigh(ctx); err != nil {
		return err
	}
	p.sameSync(ctx)
	return p.refused()
}

// remote fetches what the cluster tracks, and sees that the commit only moves it forward.
func (p *promotion) remote(ctx context.Context) (err error) {
	d := p.target.Delivery
	if d.Type == policy.ToOCI {
		return p.published(ctx)
	}
	if p.base, err = p.Clone.Fetch(ctx, d.Remote, d.Branch); err != nil {
		return err
	}
	p.result.Base = p.base
	if p.delivered = p.base == p.head; p.base == "" || p.delivered {
		return nil
	}
	forward, err := p.Clone.Contains(ctx, p.head, p.base)
	if err != nil || forward {
		return err
	}
	tree, err := p.Clone.Tree(ctx, p.base)
	if p.delivered = tree == p.result.Tree; err != nil || p.delivered {
		return err // the very tree, by a squashed or rebased merge
	}
	ahead, err := p.Clone.Contains(ctx, p.base, p.head)
	if err != nil {
		return err
	}
	if ahead {
		message, err := p.Clone.Message(ctx, p.base)
		if err != nil {
			return err
		}
		if strings.Contains(message, reverts+p.head) {
			if p.reverted = p.Resume; p.reverted {
				return nil
			}
			p.refuse(fmt.Sprintf("this commit was promoted, failed, and was taken back by %.12s", p.base), fmt.Sprintf("bring that in (git pull %s %s), mend what failed, and rehearse it; --resume watches the way back", d.Remote, d.Branch))
			return p.refused()
		}
		if p.delivered, err = p.onlyBootstrapped(ctx, p.head, p.base); err == nil && p.delivered {
			p.delivered, err = p.genuine(ctx, p.base)
		}
		if err != nil || p.delivered {
			return err
		}
	}
	p.refuse(fmt.Sprintf("branch %s of %s has moved since the rehearsal, to %.12s: this commit would not only go forward", d.Branch, d.Remote, p.base),
		fmt.Sprintf("bring it in (git pull %s %s), rehearse the outcome and promote that", d.Remote, d.Branch))
	return p.refused()
}

// onlyBootstrapped says whether a commit adds nothing to another but files of the names that flux bootstrap writes.
func (p *promotion) onlyBootstrapped(ctx context.Context, from, to string) (bool, error) {
	changes, err := p.Clone.Changes(ctx, from, to)
	if err != nil {
		return false, err
	}
	for _, c := range changes {
		if c.How != "A" || !bootstrapped(p.target.Path, c.File) {
			return false, nil
		}
	}
	return true, nil
}

// bootstrapped says whether a file is one that flux bootstrap writes.
func bootstrapped(clusterDir, file string) bool {
	for _, name := range []string{"gotk-components.yaml", "gotk-sync.yaml", "kustomization.yaml"} {
		if file == clusterDir+"/flux-system/"+name {
			return true
		}
	}
	return false
}
