// Package docker runs the docker command, which can reach every kind of Docker
// endpoint: sockets, TCP, SSH and contexts.
package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"seatrial.dev/seatrial/internal/sandbox"
	"seatrial.dev/seatrial/internal/tool"
)

// Tool is the docker command.
var Tool = tool.Tool{Name: "docker", Install: "install the docker command, or rehearse with --cluster embedded"}

// Client is a Docker endpoint.
type Client struct {
	// Host is an endpoint, written as in DOCKER_HOST. If it is empty, the environment decides.
	Host string
}

// Command builds a docker command that dies with this process.
func (c Client) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, Tool.Name, args...)
	cmd.Env = c.env()
	cmd.SysProcAttr = sandbox.Own()
	return cmd
}

// env is this process's environment without age keys, and with the endpoint.
func (c Client) env() []string {
	var out []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "SOPS_AGE_") && !(c.Host != "" && strings.HasPrefix(kv, "DOCKER_HOST=")) {
			out = append(out, kv)
		}
	}
	if c.Host != "" {
		out = append(out, "DOCKER_HOST="+c.Host)
	}
	return out
}

// Output runs a docker command and returns its stdout, without line ends at the end. An
// error holds its stderr.
func (c Client) Output(ctx context.Context, args ...string) (string, error) {
	cmd := c.Command(ctx, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", Tool.Missing()
	}
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimRight(string(out), "\n"), nil
}

// Lines runs a docker command and returns the lines that it prints.
func (c Client) Lines(ctx context.Context, args ...string) ([]string, error) {
	out, err := c.Output(ctx, args...)
	if err != nil || out == "" {
		return nil, err
	}
	return strings.Split(out, "\n"), nil
}

// Info is what a Docker engine says of itself.
type Info struct {
	ServerVersion string `json:"ServerVersion"`
	CgroupVersion string `json:"CgroupVersion"`
	MemTotal      int64  `json:"MemTotal"` // bytes
	CPUs          int    `json:"NCPU"`
	OSType        string `json:"OSType"`
}

// Info asks the Docker engine. An engine that does not answer is an error.
func (c Client) Info(ctx context.Context) (Info, error) {
	out, err := c.Output(ctx, "info", "--format", "{{json .}}")
	if err != nil {
		return Info{}, err
	}
	// The command also succeeds if the engine does not answer: it then lists errors.
	var info struct {
		Info
		ServerErrors []string `json:"ServerErrors"`
	}
	if err := json.Unmarshal([]byte(out), &info); err != nil {
		return Info{}, fmt.Errorf("docker info: %w", err)
	}
	if len(info.ServerErrors) > 0 {
		return Info{}, fmt.Errorf("docker does not answer: %s", strings.Join(info.ServerErrors, "; "))
	}
	return info.Info, nil
}

// HasImage says whether the engine has an image.
func (c Client) HasImage(ctx context.Context, image string) bool {
	_, err := c.Output(ctx, "image", "inspect", "--format", "{{.Id}}", image)
	return err == nil
}
