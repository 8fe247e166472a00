package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/sandbox"
	"seatrial.dev/seatrial/internal/tool"
)

// fluxRun is a run of the flux command. It clones the repo into folders for temporary files, which would
// stay if it was killed: so it runs in a sandbox, where these folders go with it.
type fluxRun struct {
	Program    string   `json:"program"`
	Args       []string `json:"args"`
	Stdin      []byte   `json:"stdin"`
	Kubeconfig string   `json:"kubeconfig"`
}

// parcelOutput is the parcel with what the flux command printed.
const parcelOutput = "output"

var fluxTool = tool.Tool{Name: "flux", Version: []string{"version", "--client"}, Install: "seatrial engine build --flux builds it"}

// fluxCommand returns the path of the flux command: the one that was given, or that on PATH if it is of the
// version that is rehearsed with, or one that is built from source, once.
func (p *promotion) fluxCommand(ctx context.Context) (string, error) {
	if p.flux != "" {
		return filepath.Abs(p.flux)
	}
	want, err := engine.FluxVersion()
	if err != nil {
		return "", err
	}
	if path, err := fluxTool.Find(); err == nil {
		if got, err := fluxTool.Ask(ctx); err == nil && got == "flux: v"+want {
			return path, nil
		}
	}
	cache, err := openCache(ctx)
	if err != nil {
		return "", err
	}
	return ensureFlux(ctx, cache, p.console)
}

// runFlux runs the flux command on a cluster, and returns what it printed.
func (p *promotion) runFlux(ctx context.Context, kubeconfig string, stdin []byte, args ...string) (string, error) {
	program, err := p.fluxCommand(ctx)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	code, err := sandbox.Run(ctx, sandbox.Options{
		Args: []string{"flux"}, HostNetwork: true, Unconfined: true,
		Payload: &fluxRun{program, args, stdin, kubeconfig},
		Receive: func(parcel sandbox.Parcel, _ int, _ string) error {
			_, err := out.Write(parcel.Data)
			return err
		},
	})
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err == nil && code != exitPass {
		err = fmt.Errorf("exit status %d", code)
	}
	return out.String(), err
}

// newFlux is the inner process of runFlux; it is no command for people.
func newFlux() *cobra.Command {
	return &cobra.Command{
		Use: "flux", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var run fluxRun
			ctx, box, err := sandbox.Inside(cmd.Context(), &run, func() []string { return run.inUse() })
			if err != nil {
				return err
			}
			if box == nil {
				return errors.New("seatrial promote runs the flux command")
			}
			return run.inside(ctx, box)
		},
	}
}

// inUse are the files that the flux command must be able to read.
func (f fluxRun) inUse() []string {
	files := append(filepath.SplitList(f.Kubeconfig), f.Program, os.Getenv("HOME"), os.Getenv("SSH_AUTH_SOCK"))
	for _, arg := range f.Args {
		if _, value, ok := strings.Cut(arg, "="); ok && filepath.IsAbs(value) {
			files = append(files, value)
		}
	}
	return files
}

func (f fluxRun) inside(ctx context.Context, box *sandbox.Sandbox) error {
	cmd := exec.CommandContext(ctx, f.Program, f.Args...)
	cmd.Env = append(fluxEnv(), "KUBECONFIG="+f.Kubeconfig, "TMPDIR="+box.Dir)
	cmd.Stdin = bytes.NewReader(f.Stdin)
	cmd.SysProcAttr = sandbox.Own()
	out, err := cmd.CombinedOutput()
	if err := box.Hand(parcelOutput, "", out); err != nil {
		return errors.Join(err, box.Close())
	}
	if err := box.Close(); err != nil {
		return err
	}
	if err != nil {
		return exit(exitFail)
	}
	return nil
}

// fluxEnv is the environment of the flux command: what leads to the cluster and through proxies, and no secret.
func fluxEnv() []string {
	var out []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch strings.ToUpper(name) {
		case "KUBECONFIG", "TMPDIR", "GITHUB_TOKEN", "GITLAB_TOKEN", "GITEA_TOKEN", "GIT_PASSWORD":
			continue
		}
		if strings.HasPrefix(name, "SOPS_") || strings.HasPrefix(name, "SEATRIAL_") {
			continue
		}
		out = append(out, kv)
	}
	return out
}
