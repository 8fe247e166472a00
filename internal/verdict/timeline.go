package verdict

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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

// last is the latest of some objects' moments, and whose it is.
func (m moments) last(refs []live.Ref) (last live.Ref, at time.Time) {
	for _, ref := range refs {
		if m[ref].After(at) {
			last, at = ref, m[ref]
		}
	}
	return last, at
}

// noted are the kinds beside layers whose moments are noted wherever they come from.
var noted = []schema.GroupKind{
	gitops.HelmReleaseKind, gitops.HelmChartKind, gitops.GitRepositoryKind, gitops.OCIRepositoryKind, gitops.BucketKind, gitops.ExternalArtifactKind,
}

// noteTimes records what can be seen of the layers and releases at a moment.
func (j *Judge) noteTimes(c live.View, layers []*Layer, now time.Time) {
	t := j.times
	for _, l := range layers {
		if l.live == nil {
			continue
		}
		ref := l.ref()
		t.found(ref, l.live, now)
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
			t.found(ref, u, now)
			if state, _ := j.observe(u); state == live.Current {
				t.ready.note(ref, now)
			}
		}
	}
}

// found records that an object exists, and whether it waits for no other.
func (t timeline) found(ref live.Ref, u *unstructured.Unstructured, now time.Time) {
	t.seen.note(ref, now)
	if live.Reason(u) != dependencyNotReady && len(live.Conditions(u)) > 0 {
		t.started.note(ref, now)
	}
}
