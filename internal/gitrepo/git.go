package gitrepo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"seatrial.dev/seatrial/internal/tool"
)

// Git is the program that reads and serves repositories.
var Git = tool.Tool{Name: "git", Version: []string{"--version"}, Install: "install git as a package of the system"}

// command prepares a git command that neither the caller's settings nor a repository's
// configuration can influence.
func command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, Git.Name, args...)
	cmd.Env = append(base(), env...)
	return cmd
}

// base is the environment of git: no settings, hooks or prompts of the caller apply, no
// transport starts a program, nothing is fetched lazily, and folders of other users may be read.
func base() []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "XDG_CONFIG_HOME=/nonexistent", "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_LAZY_FETCH=1", "GIT_NO_REPLACE_OBJECTS=1",
		"GIT_ALLOW_PROTOCOL=", // none; Access.env overrides it
	}, settings()...)
}

// fixed are settings that hold for every git command.
var fixed = []string{
	"safe.directory=*", "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.untrackedCache=false",
	"core.attributesFile=/dev/null", "core.excludesFile=/dev/null", "core.sshCommand=false", "core.askPass=false",
	"gc.auto=0", "maintenance.auto=false", "submodule.recurse=false", "fetch.recurseSubmodules=false", "diff.ignoreSubmodules=all",
}

// settings returns environment variables with the fixed settings and more, which have the
// form name=value.
func settings(more ...string) []string {
	all := append(more[:len(more):len(more)], fixed...) // the fixed ones last: they win
	out := []string{fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(all))}
	for i, setting := range all {
		name, value, _ := strings.Cut(setting, "=")
		out = append(out, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, name), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, value))
	}
	return out
}

// git runs a command on the snapshot's repository.
func (s *Snapshot) git(ctx context.Context, env []string, args ...string) error {
	_, err := s.output(ctx, env, args...)
	return err
}

// output runs a git command on the snapshot's repository and returns its stdout, without
// space around it.
func (s *Snapshot) output(ctx context.Context, env []string, args ...string) (string, error) {
	out, err := s.outputIn(ctx, "", env, nil, args...)
	return strings.TrimSpace(out), err
}

// outputIn runs a git command on the snapshot's repository, in the folder dir and with
// the given stdin, and returns its stdout.
func (s *Snapshot) outputIn(ctx context.Context, dir string, env []string, stdin io.Reader, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := command(ctx, append([]string{"GIT_DIR=" + s.GitDir}, env...), args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, stdin, &stdout, &stderr
	if err := s.run(cmd); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

func (s *Snapshot) run(cmd *exec.Cmd) error {
	if s.Run != nil {
		return s.Run(cmd)
	}
	return cmd.Run()
}
