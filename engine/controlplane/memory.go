package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Up to floor bytes, garbage is collected when the heap has grown fivefold, and above it more
// often. small is how much is alive in a cluster for which the floor is enough.
const (
	floor = 430 << 20
	small = 215 << 20
)

// collectLate has garbage collected late while the process is small: most of what it ever
// allocates it allocates in its first seconds, and collecting all along takes a fifth of
// its processor time. As what is alive grows, so does the limit, from twice of it for a small
// cluster to three times of it for a large one: a cluster of any size works. Nobody reads
// this process's memory profile.
func collectLate(ctx context.Context) {
	runtime.MemProfileRate = 0
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(floor)
	go func() {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		for {
			metrics.Read(live)
			n := int64(live[0].Value.Uint64())
			debug.SetMemoryLimit(max(floor, min(floor+8*(n-small), 3*n)))
			select {
			case <-ctx.Done():
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
}
