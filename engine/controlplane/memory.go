package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"time"
)

// Up to a limit, garbage is collected when the heap has grown fivefold, and above it more
// often. floor is the limit for few objects, and small is how much is alive in a cluster
// for which it is enough. Each object that is planned beyond few raises the limit by perObject,
// to most at most.
const (
	floor     = 430 << 20
	small     = 215 << 20
	few       = 50
	perObject = 3 << 20
	most      = 1 << 30
)

// collectLate has garbage collected late while the process is small: most of what it ever
// allocates it allocates in its first seconds, and collecting all along takes a quarter of
// its processor time. As what is alive grows, so does the limit, from twice of it for a small
// cluster to three times of it for a large one: a cluster of any size works. Nobody reads
// this process's memory profile.
func (c *cluster) collectLate(ctx context.Context) error {
	runtime.MemProfileRate = 0
	debug.SetGCPercent(400)
	room, err := c.room()
	if err != nil {
		return err
	}
	debug.SetMemoryLimit(room)
	go func() {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		for {
			metrics.Read(live)
			n := int64(live[0].Value.Uint64())
			if now, err := c.room(); err == nil { // else it is being written
				room = now
			}
			debug.SetMemoryLimit(max(room, min(floor+8*(n-small), 3*n)))
			select {
			case <-ctx.Done():
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return nil
}

// room is the limit for as many objects as the file --planned says by now. It says 0 until the
// repo has been read, which is while this process starts.
func (c *cluster) room() (int64, error) {
	b, err := os.ReadFile(c.planned)
	if err != nil {
		return 0, err
	}
	objects, err := strconv.ParseInt(string(b), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", c.planned, err)
	}
	return min(floor+perObject*max(0, objects-few), most), nil
}
