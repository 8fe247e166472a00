// Package clone is the user's own clone of the repo, and the remotes that it has, as their own git
// uses them: with their configuration, credential helpers and SSH. It moves nothing by force.
//
// That differs from gitrepo, which takes a tree that may be hostile and obeys no configuration.
// Here a person sends their own commits. Hooks are not run all the same: a promotion sends
// what was rehearsed, and nothing that a hook makes of it. What it writes into the clone are objects,
// and references below refs/seatrial and refs/notes/seatrial.
package clone

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/hint"
)

// Clone is a working clone.
type Clone struct {
	// Dir is the top of its working tree.
	Dir string
	// Token is a token or password of its remotes over HTTP; empty: git finds one by itself.
	Token string
	// User goes with Token.
	User string
}

// TokenEnv names the environment variable with a token of the Git remote.
const TokenEnv = "SEATRIAL_GIT_TOKEN"

// Open finds the clone whose top is dir.
func Open(ctx context.Context, dir string) (*Clone, error) {
	if _, err := gitrepo.Git.Find(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	c := &Clone{Dir: dir, User: "seatrial"}
	top, err := c.out(ctx, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("%s is no clone of a Git repo: %w", dir, err), "promote from the clone whose commits production gets")
	}
	if top != dir {
		return nil, hint.New(fmt.Sprintf("%s is a folder of the repo %s", dir, top), "give the repo's own folder")
	}
	return c, nil
}

// Whole returns an error if the clone lacks a part of its history.
func (c *Clone) Whole(ctx context.Context) error {
	shallow, err := c.out(ctx, "rev-parse", "--is-shallow-repository")
	if err == nil && shallow == "true" {
		err = hint.New("the clone is shallow: whether a branch only goes forward can't be told", "fetch the whole history: git fetch --unshallow (fetch-depth: 0)")
	}
	return err
}

// Dirty lists what differs from the last commit, as git status shows it; empty if nothing does.
func (c *Clone) Dirty(ctx context.Context) (string, error) {
	return c.out(ctx, "status", "--porcelain", "--untracked-files=normal")
}

// Head is the commit that is checked out.
func (c *Clone) Head(ctx context.Context) (string, error) {
	head, err := c.out(ctx, "rev-parse", "--verify", "HEAD^{commit}")
	if err != nil {
		return "", hint.Wrap(errors.New("the repo has no commit yet"), "commit what was rehearsed")
	}
	return head, nil
}

// Tree is the tree of a commit.
func (c *Clone) Tree(ctx context.Context, commit string) (string, error) {
	return c.out(ctx, "rev-parse", "--verify", commit+"^{tree}")
}

// URL is the address of a remote that the clone is configured with: no path or address may stand in its place. What is
// fetched must come from where is pushed to.
func (c *Clone) URL(ctx context.Context, remote string) (string, error) {
	list, err := c.out(ctx, "remote")
	if err != nil {
		return "", err
	}
	if !slices.Contains(strings.Fields(list), remote) {
		return "", hint.New(fmt.Sprintf("the clone has no remote %q", remote), "add it (git remote add), or name another in the target's delivery")
	}
	push, err := c.out(ctx, "remote", "get-url", "--push", remote)
	if err != nil {
		return "", err
	}
	fetch, err := c.out(ctx, "remote", "get-url", remote)
	if err == nil && fetch != push {
		err = hint.New(fmt.Sprintf("remote %s is fetched from another address than it is pushed to", remote), "promote with a remote that has one address")
	}
	return push, err
}

// heads is where fetched commits are kept.
const heads = "refs/seatrial/"

// Fetch fetches a branch of a remote and returns its commit; "" if there is no such branch.
func (c *Clone) Fetch(ctx context.Context, remote, branch string) (string, error) {
	return c.fetch(ctx, remote, "refs/heads/"+branch)
}

func (c *Clone) fetch(ctx context.Context, remote, ref string) (string, error) {
	list, err := c.remote(ctx, remote, "ls-remote", remote, ref)
	if err != nil {
		return "", err
	}
	found := ""
	for _, line := range strings.Split(list, "\n") {
		if hash, name, ok := strings.Cut(line, "\t"); ok && name == ref {
			found = hash
		}
	}
	if found == "" {
		return "", nil
	}
	to := heads + remote + "/" + strings.TrimPrefix(ref, "refs/")
	if _, err := c.remote(ctx, remote, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", remote, "+"+ref+":"+to); err != nil {
		return "", err
	}
	return c.out(ctx, "rev-parse", "--verify", to)
}

// Push moves a branch of a remote forward to a commit, or makes it; never by force. One that has moved
// meanwhile is an error.
func (c *Clone) Push(ctx context.Context, remote, commit, branch string) error {
	_, err := c.remote(ctx, remote, "push", "--quiet", "--no-verify", remote, commit+":refs/heads/"+branch)
	return err
}

// PushRequest moves a branch that is nobody's but a request's, wherever it was. One that moves meanwhile is an error.
func (c *Clone) PushRequest(ctx context.Context, remote, commit, branch string) error {
	was, err := c.Fetch(ctx, remote, branch)
	if err != nil {
		return err
	}
	_, err = c.remote(ctx, remote, "push", "--quiet", "--no-verify", "--force-with-lease=refs/heads/"+branch+":"+was, remote, commit+":refs/heads/"+branch)
	return err
}

// Has says whether the clone has a commit.
func (c *Clone) Has(ctx context.Context, commit string) bool {
	_, err := c.out(ctx, "cat-file", "-e", commit+"^{commit}")
	return err == nil
}

// Contains says whether a commit has another among its ancestors, or is it.
func (c *Clone) Contains(ctx context.Context, commit, ancestor string) (bool, error) {
	_, err := c.out(ctx, "merge-base", "--is-ancestor", ancestor, commit)
	var exited *exec.ExitError
	if errors.As(err, &exited) && exited.ExitCode() == 1 {
		return false, nil
	}
	return err == nil, err
}

// Subject is the first line of a commit's message.
type Subject struct{ Commit, Text string }

// Between lists the commits that one has and another has not, the newest first; from may be empty.
func (c *Clone) Between(ctx context.Context, from, to string) ([]Subject, error) {
	args := []string{"log", "--no-show-signature", "--format=%H%x09%s", to}
	if from != "" {
		args = append(args, "^"+from)
	}
	list, err := c.out(ctx, append(args, "--")...)
	if err != nil || list == "" {
		return nil, err
	}
	var out []Subject
	for _, line := range strings.Split(list, "\n") {
		commit, text, _ := strings.Cut(line, "\t")
		out = append(out, Subject{commit, text})
	}
	return out, nil
}

// Change is a file that differs between two trees: A, M or D.
type Change struct{ How, File string }

// Changes lists the files in which two commits differ. Renames are an A and a D.
func (c *Clone) Changes(ctx context.Context, from, to string) ([]Change, error) {
	list, err := c.out(ctx, "diff-tree", "-r", "-z", "--no-renames", "--no-ext-diff", "--name-status", from, to)
	if err != nil {
		return nil, err
	}
	var out []Change
	fields := strings.Split(strings.TrimSuffix(list, "\x00"), "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		out = append(out, Change{fields[i], fields[i+1]})
	}
	return out, nil
}

// Revert makes a commit on top of parent that has the tree of another commit, and returns it. The clone's own
// branches stay as they are.
func (c *Clone) Revert(ctx context.Context, parent, to, message string) (string, error) {
	tree, err := c.Tree(ctx, to)
	if err != nil {
		return "", err
	}
	return c.run(ctx, identity, strings.NewReader(message), "commit-tree", tree, "-p", parent, "-F", "-")
}

// identity is who makes commits and notes.
var identity = []string{
	"GIT_AUTHOR_NAME=seatrial", "GIT_AUTHOR_EMAIL=seatrial@localhost", "GIT_COMMITTER_NAME=seatrial", "GIT_COMMITTER_EMAIL=seatrial@localhost",
}

// remote runs a git command that speaks with a remote.
func (c *Clone) remote(ctx context.Context, remote string, args ...string) (string, error) {
	env, err := c.credentials(ctx, remote)
	if err != nil {
		return "", err
	}
	out, err := c.run(ctx, env, nil, args...)
	if err != nil {
		next := "see that git " + args[0] + " works for it"
		switch text := err.Error(); {
		case c.Token != "" && (strings.Contains(text, "Authentication failed") || strings.Contains(text, "could not read") || strings.Contains(text, "403")):
			next = "the server does not take the token that was given: see that it may read and write the repo"
		case strings.Contains(text, "Authentication failed") || strings.Contains(text, "could not read"):
			next += "; over https, a token can be given in $" + TokenEnv
		}
		return out, hint.Wrap(fmt.Errorf("remote %s: %w", remote, err), next)
	}
	return out, nil
}

// credentials passes the token to git in the environment, which other users can't see, unlike
// arguments, and for the remote's own server only.
func (c *Clone) credentials(ctx context.Context, remote string) ([]string, error) {
	at, err := c.URL(ctx, remote)
	if err != nil || c.Token == "" {
		return settings(), err
	}
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return settings(), nil
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, hint.New(fmt.Sprintf("remote %s is reached over http, where a token could be read by others", remote), "use https")
	}
	basic := base64.StdEncoding.EncodeToString([]byte(c.User + ":" + c.Token))
	server := u.Scheme + "://" + u.Host + "/"
	return settings("http."+server+".extraHeader=", "http."+server+".extraHeader=Authorization: Basic "+basic), nil
}

func loopback(host string) bool { return host == "127.0.0.1" || host == "localhost" || host == "::1" }

// settings are environment variables that hold for git over all configuration. The clone may belong to another
// user, as in a container: the caller has named it. Those of the caller's own environment stay.
func settings(more ...string) []string {
	all := append([]string{"core.hooksPath=/dev/null", "core.fsmonitor=false", "safe.directory=*", "gc.auto=0", "maintenance.auto=false", "push.followTags=false", "push.recurseSubmodules=no", "fetch.recurseSubmodules=no"}, more...)
	given, err := strconv.Atoi(os.Getenv("GIT_CONFIG_COUNT"))
	if err != nil {
		given = 0
	}
	out := []string{fmt.Sprintf("GIT_CONFIG_COUNT=%d", given+len(all))}
	for i, s := range all {
		name, value, _ := strings.Cut(s, "=")
		out = append(out, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", given+i, name), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", given+i, value))
	}
	return out
}

// out runs a git command that speaks with nobody, and returns its stdout without space around it.
func (c *Clone) out(ctx context.Context, args ...string) (string, error) {
	return c.run(ctx, settings(), nil, args...)
}

func (c *Clone) run(ctx context.Context, env []string, stdin io.Reader, args ...string) (string, error) {
	out, err := c.bytes(ctx, env, stdin, args...)
	return strings.TrimSpace(string(out)), err
}

func (c *Clone) bytes(ctx context.Context, env []string, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, gitrepo.Git.Name, args...)
	cmd.Dir, cmd.Stdin = c.Dir, stdin
	cmd.Env = append(append(inherited(), "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "LC_ALL=C",
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_GRAFT_FILE=/dev/null"), env...) // what is read is what is sent
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true} // upon which git removes its locks
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return stdout.Bytes(), fmt.Errorf("git %s: %w: %s", args[0], err, userinfo.ReplaceAll(bytes.TrimSpace(stderr.Bytes()), []byte("://")))
	}
	return stdout.Bytes(), nil
}

// userinfo matches the user and password in an address, which git quotes in its errors.
var userinfo = regexp.MustCompile(`://[^/\s@]+@`)

// inherited is this process's environment without secrets that git does not need, and without what
// would lead git to another repository.
func inherited() []string {
	var out []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(name, "SOPS_"), strings.HasPrefix(name, "SEATRIAL_"), name == "KUBECONFIG":
		case name == "GIT_DIR", name == "GIT_WORK_TREE", name == "GIT_INDEX_FILE", name == "GIT_NAMESPACE", name == "GIT_OBJECT_DIRECTORY", name == "GIT_ALTERNATE_OBJECT_DIRECTORIES", name == "GIT_REPLACE_REF_BASE", name == "GIT_CONFIG_COUNT", name == "GIT_TRACE", strings.HasPrefix(name, "GIT_TRACE_"), name == "GIT_CURL_VERBOSE":
		default:
			out = append(out, kv)
		}
	}
	return out
}

// FirstParents lists a commit and its ancestors along first parents, at most n.
func (c *Clone) FirstParents(ctx context.Context, commit string, n int) ([]string, error) {
	list, err := c.out(ctx, "rev-list", "--first-parent", fmt.Sprintf("--max-count=%d", n), commit)
	if err != nil {
		return nil, err
	}
	return strings.Fields(list), nil
}

// Committed is when a commit was made.
func (c *Clone) Committed(ctx context.Context, commit string) (time.Time, error) {
	text, err := c.out(ctx, "show", "--no-patch", "--no-show-signature", "--format=%cI", commit)
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339, text)
}

// Message is a commit's whole message.
func (c *Clone) Message(ctx context.Context, commit string) (string, error) {
	return c.out(ctx, "show", "--no-patch", "--no-show-signature", "--format=%B", commit)
}

// RemoteTag is the commit that a tag of a repository leads to, by the repository's address.
func (c *Clone) RemoteTag(ctx context.Context, address, tag string) (string, error) {
	if strings.HasPrefix(address, "-") {
		return "", fmt.Errorf("%q is no address", address)
	}
	list, err := c.run(ctx, append(settings(), "GIT_ALLOW_PROTOCOL=https:http:ssh"), nil, "ls-remote", address, "refs/tags/"+tag, "refs/tags/"+tag+"^{}")
	if err != nil {
		return "", err
	}
	found := ""
	for _, line := range strings.Split(list, "\n") {
		if hash, name, ok := strings.Cut(line, "\t"); ok && (found == "" || strings.HasSuffix(name, "^{}")) {
			found = hash // of an annotated tag, what it points at
		}
	}
	if found == "" {
		return "", fmt.Errorf("there is no tag %s any more", tag)
	}
	return found, nil
}
