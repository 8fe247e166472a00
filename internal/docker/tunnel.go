package docker

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
)

// Tunnel opens a port on this machine's loopback that leads to addr (host:port) as seen
// from within a container, and returns the port's address. Each connection is a docker
// exec, so addr can be reached wherever the Docker endpoint can, also on another
// machine. The port closes when ctx ends. The container needs bash.
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
	// When the far end closes the connection, the first copier ends the script, and the
	// script's end the other copier.
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
	_ = cmd.Wait() // both ends have seen how the connection ended
}
