package promote

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/policy"
	"seatrial.dev/seatrial/internal/prose"
)

// bootstrap bootstraps Flux on the cluster with the flux command, unless it syncs the repo already. What that commits
// is compared: nothing but its own files may change.
func (p *promotion) bootstrap(ctx context.Context) (err error) {
	if p.runs.syncs || p.over {
		return nil
	}
	if p.Resume {
		p.refuse("there is nothing to resume: the cluster does not sync the repo", "promote without --resume")
		return ErrRefused
	}
	done := p.Console.Step("bootstrap Flux")
	defer func() { done(err) }()
	if p.target.Delivery.Type == policy.ToOCI {
		return p.installOCI(ctx)
	}
	if err := p.flux(ctx, nil, "check", "--pre"); err != nil {
		return err
	}
	remote, err := p.Clone.URL(ctx, p.target.Delivery.Remote)
	if err != nil {
		return err
	}
	args, token, err := BootstrapArgs(p.target, remote, p.SSHKey, p.Clone.User, p.context())
	if err != nil {
		return err
	}
	var stdin []byte
	if token {
		if p.Clone.Token == "" {
			return hint.New("flux bootstrap needs a token, by which Flux reads the repo", "give one in $SEATRIAL_GIT_TOKEN")
		}
		stdin = []byte(p.Clone.Token + "\n")
	}
	if err := p.flux(ctx, stdin, args...); err != nil {
		return err
	}
	d := p.target.Delivery
	now, err := p.Clone.Fetch(ctx, d.Remote, d.Branch)
	if err != nil {
		return err
	}
	only, err := p.onlyBootstrapped(ctx, p.landed, now)
	if err == nil && only && now != p.landed {
		only, err = p.genuine(ctx, now)
	}
	if err != nil {
		return err
	}
	if !only {
		return fmt.Errorf("flux bootstrap changed more on %s than its own files below %s/flux-system: see git diff %.12s %.12s", d.Branch, p.target.Path, p.landed, now)
	}
	if now != p.landed {
		p.Console.Note(fmt.Sprintf("flux bootstrap added its own files (%.12s): git pull %s %s before your next commit", now, d.Remote, d.Branch))
	}
	p.landed, p.result.Delivered = now, now
	return nil
}

// scp matches the short form of an SSH address: git@host:owner/repo.
var scp = regexp.MustCompile(`^([^/@:]+@)?([^/:]+):([^/].*)$`)

// BootstrapArgs are the arguments of the flux command that bootstraps a target, and whether a token is
// passed to it on its stdin. remote is the address of the Git remote.
func BootstrapArgs(t *policy.Target, remote, sshKey, user, kubeContext string) (args []string, token bool, err error) {
	d := t.Delivery
	common := []string{"--branch=" + d.Branch, "--path=" + t.Path, "--author-name=seatrial", "--author-email=seatrial@localhost", "--timeout=10m"}
	if len(d.Components) > 0 {
		common = append(common, "--components="+strings.Join(d.Components, ","))
	}
	if kubeContext != "" {
		common = append(common, "--context="+kubeContext)
	}
	if d.Provider != "generic" {
		args = append([]string{"bootstrap", d.Provider, "--token-auth", "--owner=" + d.Owner, "--repository=" + d.Repository}, common...)
		if d.Personal {
			args = append(args, "--personal")
		}
		if host := hostOf(d.Server); host != "" {
			args = append(args, "--hostname="+host)
		}
		return args, true, nil
	}
	if m := scp.FindStringSubmatch(remote); m != nil && !strings.Contains(remote, "://") {
		remote = "ssh://" + m[1] + m[2] + "/" + m[3]
	}
	u, err := url.Parse(remote)
	if err != nil {
		return nil, false, fmt.Errorf("the address of remote %s can't be read", d.Remote) // it may hold a password
	}
	switch u.Scheme {
	case "ssh":
		if sshKey == "" {
			return nil, false, hint.New("flux bootstrap needs a key, by which Flux reads the repo over SSH", "give a deploy key of the repo: --ssh-key FILE")
		}
		return append([]string{"bootstrap", "git", "--url=" + u.String(), "--private-key-file=" + sshKey, "--silent"}, common...), false, nil
	case "https", "http":
		u.User = nil // never in an argument: the token is on stdin
		args = append([]string{"bootstrap", "git", "--url=" + u.String(), "--token-auth", "--username=" + user}, common...)
		if u.Scheme == "http" {
			args = append(args, "--allow-insecure-http")
		}
		return args, true, nil
	}
	return nil, false, hint.New(fmt.Sprintf("a cluster can't reach remote %s, which is no server's address", d.Remote), "name a remote with an https or ssh address")
}

func hostOf(server string) string {
	if u, err := url.Parse(server); err == nil && u.Host != "" {
		return u.Host
	}
	return server
}

// flux runs the flux command, with stdin for what must be in no argument.
func (p *promotion) flux(ctx context.Context, stdin []byte, args ...string) error {
	out, err := p.Flux(ctx, stdin, args...)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("flux %s: %w\n%s", strings.Join(args[:min(2, len(args))], " "), err, p.conceal(prose.Printable(strings.TrimSpace(out))))
	}
	return err
}

// conceal takes the token out of a text.
func (p *promotion) conceal(text string) string {
	if p.Clone.Token != "" {
		text = strings.ReplaceAll(text, p.Clone.Token, "(token)")
	}
	return text
}
