package embedded

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
)

// ports are where the programs listen on 127.0.0.1.
type ports struct {
	api       int           // the API server's; the control plane also takes the next five, see engine/controlplane
	packaging int           // kapp-controller's aggregated API
	git       int           // the rehearsed tree
	door      int           // the way out
	artifacts int           // source-controller serves its artifacts here
	generated int           // source-watcher serves its artifacts here
	next      *atomic.Int32 // the next port that take returns
}

// controlPlanePorts are how many engine/controlplane takes.
const controlPlanePorts = 6

// ofControlPlane are the ports of the control plane's own servers.
func (p ports) ofControlPlane() []int {
	var out []int
	for i := range controlPlanePorts {
		out = append(out, p.api+i)
	}
	return out
}

const portCount = 24

// choosePorts takes fixed ports in a private network, and a free range elsewhere.
func choosePorts(private bool) (ports, error) {
	base := 6443
	if !private {
		var err error
		if base, err = freeRange(portCount); err != nil {
			return ports{}, err
		}
	}
	next := new(atomic.Int32)
	next.Store(int32(base + controlPlanePorts + 5))
	return ports{
		api: base, packaging: base + controlPlanePorts, git: base + controlPlanePorts + 1,
		door: base + controlPlanePorts + 2, artifacts: base + controlPlanePorts + 3, generated: base + controlPlanePorts + 4, next: next,
	}, nil
}

// take returns a port that no program has yet.
func (p ports) take() int { return int(p.next.Add(1) - 1) }

// freeRange looks for n consecutive ports that nothing listens on.
func freeRange(n int) (int, error) {
	for range 200 {
		// The range is below the one from which the kernel takes the ports of outgoing
		// connections.
		base := 12000 + rand.IntN(20000-n)
		free := true
		for port := base; port < base+n && free; port++ {
			l, err := net.Listen("tcp4", fmt.Sprintf(":%d", port))
			if err != nil {
				free = false
				continue
			}
			l.Close()
		}
		if free {
			return base, nil
		}
	}
	return 0, fmt.Errorf("found no %d consecutive free ports on 127.0.0.1", n)
}
