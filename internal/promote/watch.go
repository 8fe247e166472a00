package promote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"seatrial.dev/seatrial/internal/clone"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/follow"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/verdict"
)

// ask asks Flux to fetch what was delivered now, as flux reconcile does. Without, it would at its next interval.
func (p *promotion) ask(ctx context.Context) error {
	if p.over {
		return nil
	}
	runs, err := look(ctx, p.client)
	if err != nil {
		return err
	}
	if !runs.syncs || runs.source == nil {
		return errors.New("the cluster's Flux does not sync the repo, although it was bootstrapped: see flux check")
	}
	token := p.Now().UTC().Format(time.RFC3339Nano)
	return follow.Request(ctx, p.client, verdict.Retry{
		Ref:   live.Ref{GroupKind: runs.source.GroupVersionKind().GroupKind(), Namespace: runs.source.GetNamespace(), Name: runs.source.GetName()},
		Token: token,
	})
}

// watch follows the cluster's layers until each has reconciled at what was delivered, or never will.
func (p *promotion) watch(ctx context.Context) error {
	if p.over {
		return nil
	}
	r, err := p.judgeLayers(ctx, p.landed)
	if err != nil {
		return err
	}
	p.result.Report, p.result.Revision = r, p.landed
	p.result.Outcome = Promoted
	if r.Verdict != verdict.Pass {
		p.result.Outcome = Failed
		p.tellWhatBit(r)
		return nil
	}
	// A way back leads to what was reconciled.
	if err := p.Clone.AddNotes(ctx, clone.Promoted, p.result.Delivered, []byte(p.Name)); err != nil {
		return err
	}
	return p.Clone.PushNotes(ctx, p.target.Delivery.Remote, clone.Promoted)
}

// judgeLayers follows the layers of the cluster at a revision, and reports on them.
func (p *promotion) judgeLayers(ctx context.Context, revision string) (*report.Report, error) {
	repo := p.repo
	if !strings.Contains(revision, ":") && revision != p.head {
		var err error
		if repo, err = p.load(ctx, revision); err != nil {
			return nil, err
		}
	}
	start := time.Now()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	judge := verdict.NewJudge(repo, revision, p.Patience, start)
	judge.On(p.takes, true)
	f := follow.New(watching, follow.Options{Client: p.client, Judge: judge, Timeout: p.limit(repo), Patient: true, Show: p.Console.Layers})
	if err := f.Run(ctx); err != nil {
		return nil, err
	}
	d := judge.Decide(f.View, f.Last, nil, f.Late)
	p.Console.Layers(f.Last.Layers, f.Took)
	r := report.New("production", map[string]string{})
	r.Verdict, r.Findings, r.Revision, r.Commit, r.Path, r.Origin = d.Verdict, d.Findings, revision, p.head, p.target.Path, "target "+p.Name
	r.Tree = p.result.Tree
	for _, o := range d.Layers {
		r.Layers = append(r.Layers, report.LayerOf(o))
	}
	r.BlindSpots = append(r.BlindSpots, d.BlindSpots...)
	r.Timings.Reconcile = f.Took.Seconds()
	r.Conceal(p.known.Text)
	version, err := p.client.Typed.Discovery().ServerVersion()
	if err == nil {
		r.Versions["kubernetes"] = version.GitVersion
	}
	return r, nil
}

// The shortest and the longest limit for all layers that is taken by itself.
const (
	shortest = 10 * time.Minute
	longest  = 2 * time.Hour
)

// limit is how long all layers may take: what the user or the policy says, or else what Flux itself
// gives the longest chain of layers.
func (p *promotion) limit(r *gitops.Repo) time.Duration {
	if t := cmp.Or(p.Timeout, p.target.Limit()); t > 0 {
		return t
	}
	memo := map[gitops.Ref]time.Duration{}
	var chain func(l *gitops.Layer) time.Duration
	chain = func(l *gitops.Layer) time.Duration {
		if t, known := memo[l.Ref]; known {
			return t
		}
		memo[l.Ref] = 0 // a cycle ends here
		var before time.Duration
		for _, d := range l.DependsOn {
			if dep := r.Layer(d.Ref); dep != nil {
				before = max(before, chain(dep))
			}
		}
		const lookAgain = 30 * time.Second // kustomize-controller's --requeue-dependency
		memo[l.Ref] = before + lookAgain + own(l)
		return memo[l.Ref]
	}
	var all time.Duration
	for _, l := range r.Layers {
		all = max(all, chain(l))
	}
	return min(max(all, shortest), longest)
}

// own is the time that Flux gives a layer: its timeout, or else its interval.
func own(l *gitops.Layer) time.Duration {
	timeout, interval := l.Timeout()
	for _, text := range []string{timeout, interval} {
		if d, err := time.ParseDuration(text); err == nil && d > 0 {
			return d
		}
	}
	return time.Minute
}

// tellWhatBit says, of what failed only here, which blind spot or assumption of the rehearsal it
// hid behind.
func (p *promotion) tellWhatBit(r *report.Report) {
	for i, f := range r.Findings {
		if f.Severity != finding.Error || f.Object == "" && f.Code == finding.NotReconciled { // that the time is up hides behind nothing
			continue
		}
		said := " The rehearsal passed it"
		if reason := p.acceptedAs(f); reason != "" {
			said = " The rehearsal found it, too, and the repo accepts it there: " + reason
		} else if why := p.behind(f); why != "" {
			said += ": " + why
		} else {
			said += "; none of its blind spots is about this"
		}
		r.Findings[i].Message += "." + said
	}
	// What the preflight warned of is beside it.
	p.result.Next = append(p.result.Next, p.goBack())
}

// denied matches what the API server says when a policy or webhook of the cluster refuses an object.
var denied = regexp.MustCompile(`admission webhook|denied (the )?request|ValidatingAdmissionPolicy|failed calling webhook`)

// behind is the blind spot, stand-in or assumption that a failure hid behind; empty if none is known.
func (p *promotion) behind(f finding.Finding) string {
	kind, _, _ := strings.Cut(f.Object, "/")
	spot := func(codes ...finding.Blind) string {
		for _, code := range codes {
			for _, b := range p.proof.BlindSpots {
				if b.Code == code && (code != finding.Unobserved || strings.HasPrefix(b.Message, kind+" ")) {
					return fmt.Sprintf("blind spot %s (%s)", b.Code, b.Message)
				}
			}
		}
		return ""
	}
	text := f.Evidence + f.Message
	switch {
	case strings.Contains(text, "PersistentVolumeClaim") || strings.Contains(text, "StorageClass") || strings.Contains(text, "storageclass"):
		return "its volumes came from a StorageClass of the rehearsal's own"
	case denied.MatchString(text):
		if s := spot(finding.WebhookOpen); s != "" {
			return s
		}
		return "the cluster has an admission webhook or policy that the rehearsal did not have"
	case kind == "HelmRelease" || f.Code == finding.HelmFailed || f.Code == finding.PackageFailed:
		if len(p.proof.StandIns) > 0 {
			return "charts and packages were stand-ins"
		}
		return spot(finding.PodsSimulated, finding.StandInPods)
	case slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "Job", "Pod", "PersistentVolumeClaim", "ReplicaSet"}, kind):
		return spot(finding.PodsSimulated, finding.StandInPods, finding.OneNode)
	case f.Code == finding.SOPSRecipient || f.Code == finding.DecryptFailed:
		return spot(finding.NoAgeKey)
	}
	if s := spot(finding.Unobserved); s != "" {
		return s
	}
	return spot(finding.PodsSimulated)
}

// again looks at the layers of a cluster that was promoted to.
func again(ctx context.Context, o Options, r *Result) (*report.Report, error) {
	p := &promotion{Options: o, result: r, head: r.Commit, policy: r.policy}
	p.target = r.policy.Targets[o.Name]
	var err error
	if p.client, err = p.Connect(p.context()); err != nil {
		return nil, err
	}
	if err := p.model(ctx); err != nil {
		return nil, err
	}
	return p.judgeLayers(ctx, r.Revision)
}
