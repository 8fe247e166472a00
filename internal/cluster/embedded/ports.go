package embedded

import (
	"fmt"
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
	for range 50 {
		first, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		base := first.Addr().(*net.TCPAddr).Port
		first.Close()
		if base+n > 65535 {
			continue
		}
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
