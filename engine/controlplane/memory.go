package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// floor is how much memory this process may take before garbage is collected more often than
// when the heap has grown fivefold: 360 MiB.
const floor = 360 << 20

// collectLate has garbage collected late while the process is small: most of what it ever
// allocates it allocates in its first seconds, and collecting all along takes a fifth of
// its processor time. As what is alive grows, so does the limit, from twice of it for a small
// cluster to three times of it for a large one: a cluster of any size works.
func collectLate(ctx context.Context) {
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(floor)
	go func() {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		for {
			metrics.Read(live)
			n := int64(live[0].Value.Uint64())
			debug.SetMemoryLimit(max(floor, min(4*n-floor, 3*n)))
			select {
			case <-ctx.Done():
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
}
