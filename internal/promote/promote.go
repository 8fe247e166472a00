// Package promote takes a tree that passed its rehearsal to a real cluster: a list of steps, to be
// read from top to bottom.
//
// All state is in Git and in the cluster. Each step looks at what is there first, so a promotion
// that was killed is promoted again, and goes on where it stopped.
package promote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"seatrial.dev/seatrial/internal/clone"
	"seatrial.dev/seatrial/internal/evidence"
	"seatrial.dev/seatrial/internal/forge"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/platform"
	"seatrial.dev/seatrial/internal/policy"
	"seatrial.dev/seatrial/internal/redact"
	"seatrial.dev/seatrial/internal/secrets"
	"seatrial.dev/seatrial/internal/verdict"
)

// Options are what is promoted, and where to.
type Options struct {
	Clone *clone.Clone
	// Name is the target's.
	Name string
	// Policy is given by the user and wins; nil: the one that guards the target already, or the tree's own.
	Policy *policy.Promotion
	// Evidence are envelopes that the user gives, one a line, beside those of the Git notes.
	Evidence []byte
	// Connect returns a connection to the cluster of a context; empty is the kubeconfig's current one.
	Connect func(kubeContext string) (*kube.Client, error)
	// Context of the kubeconfig wins over the target's; may be empty.
	Context string
	// Flux runs the flux command on the cluster, and returns what it printed.
	Flux func(ctx context.Context, stdin []byte, args ...string) (string, error)
	// AgeKey is the key of the repo's SOPS files, for a first promotion; nil if the cluster has it.
	AgeKey *secrets.Key
	// SSHKey is the file of a key by which Flux reads the repo over SSH; may be empty.
	SSHKey string
	// SigningKey signs the artifact of an OCI delivery; nil if none is given.
	SigningKey *evidence.Key
	// Forge returns a client of the provider's API.
	Forge func(policy.Delivery) (forge.Forge, error)
	// AllowPrune lets claims, namespaces and CRDs be pruned.
	AllowPrune bool
	// AllowDifferences delivers although the cluster differs from what was rehearsed.
	AllowDifferences bool
	// DryRun ends before anything is written.
	DryRun bool
	// Resume only watches what was delivered before.
	Resume bool
	// OnFailure wins over the target's; may be empty.
	OnFailure string
	// Timeout wins over the target's budget; 0: that holds.
	Timeout time.Duration
	// Patience is how long the cluster may be silent.
	Patience verdict.Patience
	Console  Console
	Now      func() time.Time
}

// Console is told how a promotion goes.
type Console interface {
	Step(title string) func(err error)
	Note(text string)
	Conceal(f func(string) string)
	Layers(layers []*verdict.Layer, elapsed time.Duration)
}

// promotion is the state that the steps share. The comment of a field names the step that sets it.
type promotion struct {
	Options
	result *Result

	head      string            // take: the commit to promote
	base      string            // remote: the commit that the remote has; "" if it has none
	policy    *policy.Promotion // judge
	target    *policy.Target    // judge
	proof     *evidence.Opened  // judge
	client    *kube.Client      // meet
	repo      *gitops.Repo      // model: of head
	before    *gitops.Repo      // model: of what the cluster runs; nil if it runs nothing
	takes     platform.Platform // model
	known     *redact.Set       // model: the repo's secret values
	missing   []gitops.Ref      // preflight: the Secrets with keys that the cluster lacks
	ran       string            // guard: the commit that the cluster runs; "" if it runs none, or one that is not known
	runs      running           // meet: what of Flux the cluster runs
	landed    string            // deliver: the revision that the cluster is to reconcile
	delivered bool              // remote: what the remote has is this tree already, but for what flux bootstrap added
	reverted  bool              // remote: the commit was taken back, and that is watched
	over      bool              // no further step makes sense
}

// step is one thing that a promotion does.
type step struct {
	title  string
	run    func(context.Context) error
	writes bool // not in a dry run
}

func (p *promotion) steps() []step {
	return []step{
		{"", p.take, false},
		{"look for evidence", p.judge, false},
		{"meet the cluster", p.meet, false},
		{"", p.guard, false},
		{"look at the remote", p.remote, false},
		{"read the repo", p.model, false},
		{"", p.plan, false},
		{"compare the cluster with what was rehearsed", p.preflight, false},
		{"deliver", p.deliver, true},
		{"", p.giveKeys, true},
		{"", p.bootstrap, true},
		{"", p.ask, true},
		{"", p.watch, true},
	}
}

// ErrRefused ends a promotion that the gate, the plan or the preflight refuses: the result says why.
var ErrRefused = errors.New("the promotion is refused")

// Run promotes to one target. An error is not the tree's, the policy's or the cluster's: wrong usage, or an environment
// that lacks something. If it comes after the delivery, there is a result as well.
func Run(ctx context.Context, o Options) (*Result, error) {
	p := &promotion{Options: o, result: newResult(o)}
	for _, s := range p.steps() {
		if p.over || s.writes && p.DryRun {
			break
		}
		done := func(error) {}
		if s.title != "" {
			done = p.Console.Step(s.title)
		}
		err := s.run(ctx)
		if errors.Is(err, ErrRefused) {
			p.result.Outcome, p.over = Refused, true
			done(err)
			break
		}
		done(err)
		if err != nil && p.landed != "" {
			p.result.Outcome = Delivered
			p.result.Next = append(p.result.Next, fmt.Sprintf("what became of it is not known: seatrial promote --to %s --resume, with the same kubeconfig, watches again", p.Name))
			return p.result, err
		}
		if err != nil {
			return nil, err
		}
	}
	if p.DryRun && !p.over {
		p.result.Outcome = Planned
	}
	if p.failed() {
		err := p.wayBack(ctx)
		if err != nil && ctx.Err() != nil {
			return p.result, err
		}
		if err != nil {
			p.result.Next = append(p.result.Next, "the way back failed: "+err.Error())
		}
	}
	return p.result, nil
}

// refuse adds a reason; the step then returns ErrRefused.
func (p *promotion) refuse(what, fix string) {
	p.result.Reasons = append(p.result.Reasons, Reason{What: what, Fix: fix})
}

// refused is ErrRefused if there is a reason.
func (p *promotion) refused() error {
	if len(p.result.Reasons) > 0 {
		return ErrRefused
	}
	return nil
}
