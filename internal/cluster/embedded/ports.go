package embedded

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
)

// ports are where the programs listen on 127.0.0.1.
type ports struct {
	api       int           // and the next five, see engine/controlplane
	packaging int           // kapp-controller's aggregated API
	next      *atomic.Int32 // first of the others that is free
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
	next.Store(int32(base + 7))
	return ports{api: base, packaging: base + 6, next: next}, nil
}

// take returns a port that no program has yet.
func (p ports) take() int { return int(p.next.Add(1) - 1) }

// freeRange looks for n consecutive ports that nothing listens on.
func freeRange(n int) (int, error) {
	for range 200 {
		// Below the range that the kernel takes outgoing connections' ports from.
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
