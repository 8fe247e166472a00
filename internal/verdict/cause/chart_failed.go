package cause

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/prose"
)

// chartFailed: a release waits for a chart that can't be fetched.
func chartFailed(f Failure) ([]finding.Finding, bool) {
	if f.Ref.GroupKind != gitops.HelmReleaseKind {
		return nil, false
	}
	said := f.failingSource()
	if said == "" {
		return nil, false
	}
	out := f.finding(finding.SourceFailed)
	out.Message, out.Fix, out.Evidence = "its chart can't be fetched: "+prose.FirstLine(said), "check the source's address, version and credentials", said
	return one(out)
}

// failingSource is what the failing source of a release says, or "": the source that it
// names, or the HelmChart that helm-controller made for it.
func (f Failure) failingSource() string {
	said := func(ref live.Ref) string {
		if u, _ := f.View.Get(ref); u != nil {
			if state, message := live.Observe(u); state == live.Failed {
				return message
			}
		}
		return ""
	}
	if f.Live != nil {
		for _, ref := range gitops.SourceRefs(f.Live) {
			if message := said(live.Ref{GroupKind: schema.GroupKind{Group: gitops.SourceGroup, Kind: ref.Kind}, Namespace: ref.Namespace, Name: ref.Name}); message != "" {
				return message
			}
		}
	}
	for _, chart := range f.View.List(gitops.HelmChartKind) {
		if strings.HasSuffix(chart.GetName(), f.Ref.Namespace+"-"+f.Ref.Name) {
			if message := said(live.RefOf(chart)); message != "" {
				return message
			}
		}
	}
	return ""
}
