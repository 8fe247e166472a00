package existing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// command is a program that runs in a pod of the rehearsal's namespace.
type command struct {
	pod   string
	args  []string
	stdin string // for tokens, which must not be arguments
	// output gets what the command prints while it runs; may be nil.
	output io.Writer
}

// run runs the command and returns what it wrote to stdout. An error says what
// it wrote to stderr.
func (c *Cluster) run(ctx context.Context, cmd command) (string, error) {
	request := c.podRequest(cmd.pod, "exec").VersionedParams(&corev1.PodExecOptions{
		Command: cmd.args, Stdin: cmd.stdin != "", Stdout: true, Stderr: true,
	}, scheme.ParameterCodec)
	executor, err := c.executor(request.URL())
	if err != nil {
		return "", err
	}
	var stdout, stderr bytes.Buffer
	options := remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr}
	if cmd.stdin != "" {
		options.Stdin = strings.NewReader(cmd.stdin)
	}
	if cmd.output != nil {
		options.Stdout, options.Stderr = io.MultiWriter(&stdout, cmd.output), io.MultiWriter(&stderr, cmd.output)
	}
	if err := executor.StreamWithContext(ctx, options); err != nil {
		return stdout.String(), fmt.Errorf("%s in pod %s: %w\n%s", cmd.args[0], cmd.pod, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

func (c *Cluster) podRequest(pod, sub string) *rest.Request {
	return c.client.Typed.CoreV1().RESTClient().Post().Resource("pods").Namespace(Namespace).Name(pod).SubResource(sub)
}

func (c *Cluster) executor(target *url.URL) (remotecommand.Executor, error) {
	socket, err := remotecommand.NewWebSocketExecutor(c.config, http.MethodGet, target.String())
	if err != nil {
		return nil, err
	}
	old, err := remotecommand.NewSPDYExecutor(c.config, http.MethodPost, target)
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(socket, old, notWebSocket)
}

// notWebSocket says whether err means that WebSockets are refused: by an old API
// server, or by a proxy before it.
func notWebSocket(err error) bool {
	return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
}

// forward opens a port on this machine's loopback that leads to a port of a pod, and
// returns its address. The port must be open within 30 seconds, and closes when ctx
// ends. If the connection ends before Flux syncs, the cluster counts as broken.
func (c *Cluster) forward(ctx context.Context, pod string, port int) (string, error) {
	target := c.podRequest(pod, "portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(c.config)
	if err != nil {
		return "", err
	}
	socket, err := portforward.NewSPDYOverWebsocketDialer(target, c.config)
	if err != nil {
		return "", err
	}
	dialer := portforward.NewFallbackDialer(socket, spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, target), notWebSocket)
	ready := make(chan struct{})
	var trouble bytes.Buffer
	f, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, ctx.Done(), ready, io.Discard, &trouble)
	if err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- f.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-ended:
		return "", fmt.Errorf("forward to pod %s: %w %s", pod, err, trouble.String())
	case <-time.After(30 * time.Second):
		return "", fmt.Errorf("forward to pod %s: no answer in 30s", pod)
	}
	go func() {
		err := <-ended
		c.mu.Lock()
		needed := ctx.Err() == nil && !c.synced
		c.mu.Unlock()
		if needed {
			c.broke(fmt.Errorf("the connection to pod %s ended: %w", pod, errors.Join(err, errors.New(trouble.String()))))
		}
	}()
	ports, err := f.GetPorts()
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", fmt.Sprint(ports[0].Local)), nil
}

// broke sends the first error to Failed; later ones are dropped.
func (c *Cluster) broke(err error) {
	select {
	case c.failed <- err:
	default:
	}
}
