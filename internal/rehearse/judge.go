package rehearse

import (
	"cmp"
	"context"
	"time"

	"seatrial.dev/seatrial/internal/follow"
	"seatrial.dev/seatrial/internal/timing"
	"seatrial.dev/seatrial/internal/verdict"
)

// judge follows the layers until each has reconciled or never will, or until Timeout.
func (r *rehearsal) judge(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	r.unwatch = stop
	go r.makers(watching, r.waiting)
	if r.cluster.Tier() == simulated {
		go r.effects(watching)
	}
	go r.nudge(watching)
	start := time.Now()
	r.judged = verdict.NewJudge(r.subject.Repo, cmp.Or(r.synced.Artifact, r.synced.Commit), r.cluster.Patience(), start)
	r.judged.On(r.Platform, r.Enforced)
	r.judged.Placeheld(r.subject.Placeholders)
	r.judged.Excuse(r.excuse)
	r.followed = follow.New(watching, follow.Options{
		Client: r.cluster.Client(), Judge: r.judged, Timeout: r.Timeout, Failed: r.cluster.Failed(), Show: r.console.Layers,
	})
	r.Path.Until(start, "start to watch", timing.Ours)
	// What the verdict waited for is part of the critical path.
	defer func() {
		end := time.Now()
		r.Path.Join(r.judged.Path(r.followed.View, r.followed.Last, end), end)
	}()
	return r.followed.Run(ctx)
}
