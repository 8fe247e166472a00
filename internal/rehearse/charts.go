package rehearse

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/follow"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/standin"
	"seatrial.dev/seatrial/internal/standin/ondemand"
	"seatrial.dev/seatrial/internal/verdict"
)

// makeCharts has the door make stand-ins for charts when they are asked for.
func (r *rehearsal) makeCharts(ctx context.Context, services *catalogue.Catalogue, shelf standin.Shelf) {
	r.maker = ondemand.New(ondemand.Options{
		Catalogue: services, Shelf: shelf, Repo: r.subject.Repo, Live: r.liveCharts, Real: r.door.Real, Brings: r.subject.Repo.Brings,
	})
	r.door.OnDemand(func(ctx context.Context, u *url.URL) {
		if err := r.maker.Make(ctx, u); err != nil && ctx.Err() == nil {
			r.console.Note(err.Error())
		}
	})
	for _, p := range r.maker.Pins() {
		if !r.door.Answers(ctx, p.Image()) {
			r.pinned = append(r.pinned, p)
		}
	}
}

// nudge has Helm repositories fetch their index again that lacks a chart which only an object of the cluster names, and that
// came later: by themselves they would after their interval. It ends with ctx.
func (r *rehearsal) nudge(ctx context.Context) {
	for r.maker != nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Second):
		}
		for _, ref := range r.maker.Late(r.liveCharts()) {
			repository := live.Ref{GroupKind: gitops.HelmRepositoryKind, Namespace: ref.Namespace, Name: ref.Name}
			err := follow.Request(ctx, r.cluster.Client(), verdict.Retry{Ref: repository, Token: time.Now().UTC().Format(time.RFC3339Nano)})
			if err != nil && ctx.Err() == nil {
				r.console.Note(fmt.Sprintf("ask %s for its charts once more: %v", ref, err))
			}
		}
	}
}

// charted are the kinds of objects that say which charts are taken, and from where.
var charted = []schema.GroupVersionResource{
	{Group: gitops.SourceGroup, Version: "v1", Resource: "helmrepositories"},
	{Group: gitops.SourceGroup, Version: "v1", Resource: "ocirepositories"},
	{Group: gitops.SourceGroup, Version: "v1", Resource: "helmcharts"},
	{Group: "helm.toolkit.fluxcd.io", Version: "v2", Resource: "helmreleases"},
	{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"},
}

// liveCharts are the cluster's objects of these kinds. What can't be listed asks for nothing.
func (r *rehearsal) liveCharts() []*unstructured.Unstructured {
	c := r.cluster.Client()
	if c == nil {
		return nil
	}
	var out []*unstructured.Unstructured
	for _, kind := range charted {
		list, err := c.Dynamic.Resource(kind).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			continue
		}
		for i := range list.Items {
			out = append(out, &list.Items[i])
		}
	}
	return out
}

// tellStandIns puts into the report what was replaced, and what of that was guessed.
func (r *rehearsal) tellStandIns() {
	unseen := func(code finding.Blind, format string, args ...any) {
		r.report.BlindSpots = append(r.report.BlindSpots, finding.Unseen(code, format, args...))
	}
	var all []string
	for _, s := range r.served {
		for _, unknown := range s.Unknown {
			unseen(finding.VersionUnknown, "%s was served by a stand-in: whether %s has that version was not looked up", unknown, s.Upstream)
		}
		r.report.StandIns = append(r.report.StandIns, report.StandIn{Kind: s.Kind, Upstream: s.Upstream, Serves: s.Serves, Digest: s.Digest})
		all = append(all, s.Serves...)
	}
	if r.maker == nil {
		return
	}
	among := func(list []string) string {
		return strings.Join(slices.DeleteFunc(list, func(s string) bool { return !slices.Contains(all, s) }), ", ")
	}
	generic, described := r.maker.Guesses()
	if names := among(generic); names != "" {
		unseen(finding.ChartUnknown, "of these charts nothing is known but what their values name: their stand-ins take any values, and have one pod, and what the repo's routes, health checks and patches name: %s", names)
	}
	if names := among(described); names != "" {
		unseen(finding.VersionUnknown, "these charts were served by stand-ins: whether their sources have these versions was not looked up: %s", names)
	}
	if kinds, charts := r.maker.Kinds(); len(kinds) > 0 && len(all) > 0 {
		unseen(finding.KindUnknown, "which charts bring these kinds is not known, and was guessed among %s: %s", strings.Join(charts, ", "), strings.Join(kinds, ", "))
	}
	var unverified []string
	for _, p := range r.pinned {
		if p.Verified {
			unverified = append(unverified, p.URL)
		}
	}
	if len(unverified) > 0 {
		unseen(finding.Unverified, "the signatures of these charts were not verified, as stand-ins have none: %s", strings.Join(unverified, ", "))
	}
}
