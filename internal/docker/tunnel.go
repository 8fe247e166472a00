package docker

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
)

// Tunnel opens a loopback port that leads to an address as a container sees it,
// and returns the port's own address. Each connection is a docker exec, so
// whatever reaches the Docker endpoint reaches that address, on this machine or
// another. It closes with ctx. The container needs bash.
func (c Client) Tunnel(ctx context.Context, container, addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	// When the far end closes, its copier takes the script and the other copier along.
	script := fmt.Sprintf(`exec 3<>/dev/tcp/%s/%s || exit 1; { cat <&3; kill $$; } & cat >&3; kill $!`, host, port)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.carry(ctx, conn, container, script)
		}
	}()
	return l.Addr().String(), nil
}

// carry connects conn with what the script in the container reads and writes.
func (c Client) carry(ctx context.Context, conn net.Conn, container, script string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer conn.Close()
	cmd := c.Command(ctx, "exec", "-i", container, "bash", "-c", script)
	in, err := cmd.StdinPipe()
	if err != nil {
		return
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return
	}
	if err := cmd.Start(); err != nil {
		return
	}
	var copiers sync.WaitGroup
	copiers.Go(func() {
		_, _ = io.Copy(in, conn)
		_ = in.Close()
	})
	copiers.Go(func() {
		_, _ = io.Copy(conn, out)
		_ = conn.Close()
	})
	copiers.Wait()
	_ = cmd.Wait() // how a connection ends is the two ends' business
}
