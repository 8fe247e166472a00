package verdict

import (
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
)

// timeline is when what became of the objects that a rehearsal waits for, as the judge saw it.
type timeline struct {
	seen    moments // it exists
	started moments // it waits for no other object any more
	applied moments // a Kustomization has applied its objects
	ready   moments // it is current; for a layer: it is reconciled
}

// moments are the first times of something, by object.
type moments map[live.Ref]time.Time

func newTimeline() timeline { return timeline{moments{}, moments{}, moments{}, moments{}} }

// note records the first time.
func (m moments) note(ref live.Ref, now time.Time) {
	if _, ok := m[ref]; !ok {
		m[ref] = now
	}
}

// noted are the kinds beside layers whose moments are noted wherever they come from.
var noted = []schema.GroupKind{gitops.HelmReleaseKind, gitops.HelmChartKind, gitops.GitRepositoryKind, gitops.OCIRepositoryKind, gitops.BucketKind}

// noteTimes records what can be seen of the layers and releases at a moment.
func (j *Judge) noteTimes(c live.View, layers []*Layer, now time.Time) {
	t := j.times
	for _, l := range layers {
		if l.live == nil {
			continue
		}
		ref := l.ref()
		t.seen.note(ref, now)
		if live.Reason(l.live) != dependencyNotReady && len(live.Conditions(l.live)) > 0 {
			t.started.note(ref, now)
		}
		if l.Objects > 0 {
			t.applied.note(ref, now)
		}
		if l.Status == Reconciled {
			t.ready.note(ref, now)
		}
	}
	for _, gk := range noted {
		for _, u := range c.List(gk) {
			ref := live.RefOf(u)
			t.seen.note(ref, now)
			if live.Reason(u) != dependencyNotReady && len(live.Conditions(u)) > 0 {
				t.started.note(ref, now)
			}
			if state, _ := j.observe(u); state == live.Current {
				t.ready.note(ref, now)
			}
		}
	}
}
