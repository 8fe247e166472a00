package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	"seatrial.dev/seatrial/internal/clone"
	"seatrial.dev/seatrial/internal/cluster/existing"
	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/evidence"
	"seatrial.dev/seatrial/internal/forge"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/policy"
	"seatrial.dev/seatrial/internal/promote"
	"seatrial.dev/seatrial/internal/secrets"
)

// promotion holds the flags of the verb promote, and its input and output.
type promotion struct {
	Streams
	console *console.Console

	dir        string
	to         string
	all        bool
	policy     string
	evidence   []string
	kubeconfig string
	context    string
	ageKey     string
	pgpKey     string
	signingKey string
	tokenFile  string
	user       string
	sshKey     string
	flux       string
	allowPrune bool
	differs    bool
	dryRun     bool
	resume     bool
	onFailure  choice
	timeout    time.Duration
	patience   time.Duration
	record     string
	output     choice

	key    *secrets.Key
	signer *evidence.Key
	lines  []byte
	rules  *policy.Promotion
	repo   *clone.Clone
}

func newPromote(s Streams) *cobra.Command {
	p := &promotion{Streams: s, console: console.New(s.Err), output: newOutput(), onFailure: choice{"", []string{policy.Stop, policy.Rollback}}}
	cmd := &cobra.Command{
		Use:   "promote [DIR] --to TARGET",
		Short: "Deliver the tree that passed to a real cluster, and watch it until it runs",
		Long: `Deliver the last commit of the clone DIR (the working folder by default) to a
target of the policy (.seatrial.yaml, or promotion in seatrial.yaml), and watch
the cluster until every layer has reconciled.

It refuses, and delivers nothing, unless evidence of a rehearsal of this very
tree satisfies the policy, the remote would only go forward, and the cluster is
the one that the policy names and is as the rehearsal assumed. On a cluster that
does not sync the repo yet, it bootstraps Flux.

Killed at any point, it is run again, and goes on where it stopped.`,
		Example: `  seatrial verify --attest-notes --signing-key signing.key
  seatrial promote --to production --kubeconfig production.kubeconfig --dry-run
  seatrial promote --to production --kubeconfig production.kubeconfig
  seatrial promote --to production --resume --on-failure rollback`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.dir = first(args)
			return p.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&p.to, "to", "", "target of the policy")
	f.BoolVar(&p.all, "all", false, "promote to all targets, in the policy's waves")
	f.StringVar(&p.policy, "policy", "", "file with the policy that holds (default: the one that guards the target already, else the tree's own)")
	f.StringArrayVar(&p.evidence, "evidence", nil, "file with evidence, beside that of the Git notes; may be repeated")
	f.StringVar(&p.kubeconfig, "kubeconfig", "", "file that leads to the cluster (default: $KUBECONFIG, or ~/.kube/config)")
	f.StringVar(&p.context, "context", "", "context of the kubeconfig (default: the target's, or its current one)")
	f.StringVar(&p.ageKey, "age-key", "", "file with the age key that the cluster decrypts with, for a first promotion, - for stdin (default: $SOPS_AGE_KEY or $SOPS_AGE_KEY_FILE)")
	f.StringVar(&p.pgpKey, "pgp-key", "", pgpHelp)
	f.StringVar(&p.signingKey, "signing-key", "", "file with the key that signs the artifact of an oci delivery (default: $"+evidence.KeyEnv+" or $"+evidence.KeyFileEnv+")")
	f.StringVar(&p.tokenFile, "git-token-file", "", "file with a token of the Git remote and the provider's API, with which Flux reads the repo as well (default: $"+clone.TokenEnv+")")
	f.StringVar(&p.user, "git-user", "git", "user that the token goes with")
	f.StringVar(&p.sshKey, "ssh-key", "", "file with the private key by which Flux reads the repo over SSH, for a first promotion")
	f.StringVar(&p.flux, "flux", "", "the flux command to bootstrap with (default: the one on PATH if it is of the rehearsed version, else it is built)")
	f.BoolVar(&p.allowPrune, "allow-prune", false, "let PersistentVolumeClaims, Namespaces and CustomResourceDefinitions be pruned")
	f.BoolVar(&p.differs, "allow-differences", false, "deliver although the cluster differs from what was rehearsed (cluster-differs): you know better")
	f.BoolVar(&p.dryRun, "dry-run", false, "print the plan, and write nothing")
	f.BoolVar(&p.resume, "resume", false, "only watch what was delivered before")
	f.Var(&p.onFailure, "on-failure", "what to do when a layer does not reconcile (default: the target's)")
	f.DurationVar(&p.timeout, "timeout", 0, "longest time for the layers to reconcile (default: the target's budget, or the layers' own limits)")
	f.DurationVar(&p.patience, "patience", 0, "how long nothing may have changed before a layer that fails is asked once more (default: 40s)")
	f.StringVar(&p.record, "record", "", "write the record of the promotion to this file, as JSON")
	f.VarP(&p.output, "output", "o", "what to print on stdout")
	return cmd
}

func (p *promotion) run(ctx context.Context) error {
	if err := p.read(ctx); err != nil {
		return err
	}
	if p.all {
		return p.runAll(ctx)
	}
	o, err := p.options(p.to)
	if err != nil {
		return err
	}
	r, failed := promote.Run(ctx, o)
	if r == nil {
		return failed
	}
	if p.record != "" {
		if err := writeRecord(p.record, r.WriteJSON); err != nil {
			return err
		}
	}
	print := r.WriteText
	if p.output.value == outputJSON {
		print = r.WriteJSON
	}
	if err := print(p.Out); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	if !r.Passes() {
		return exit(exitFail)
	}
	return nil
}

// read refuses what can't work, and reads the files that flags name.
func (p *promotion) read(ctx context.Context) (err error) {
	// Keys leave the environment before any program is started.
	if p.key, err = secrets.FindKeys(p.ageKey, p.pgpKey, p.In); err != nil {
		return err
	}
	if p.signer, err = evidence.FindKey(p.signingKey, p.In); err != nil {
		return err
	}
	token := os.Getenv(clone.TokenEnv)
	_ = os.Unsetenv(clone.TokenEnv)
	if p.tokenFile != "" {
		b, err := os.ReadFile(p.tokenFile)
		if err != nil {
			return fmt.Errorf("read the token: %w", err)
		}
		token = string(bytes.TrimSpace(b))
	}
	switch {
	case p.to == "" && !p.all:
		return hint.New("no target is named", "give --to TARGET, one of the policy's targets, or --all")
	case p.to != "" && p.all:
		return errors.New("--to and --all exclude each other")
	case p.resume && p.dryRun:
		return errors.New("--resume and --dry-run exclude each other")
	case p.timeout < 0, p.patience < 0:
		return errors.New("--timeout and --patience must be positive")
	}
	if p.record != "" {
		if err := writable(p.record); err != nil {
			return fmt.Errorf("--record: %w", err)
		}
	}
	if p.policy != "" {
		text, err := os.ReadFile(p.policy)
		if err != nil {
			return fmt.Errorf("read the policy: %w", err)
		}
		if p.rules, err = promote.ParsePolicy(p.policy, text); err != nil {
			return err
		}
	}
	for _, file := range p.evidence {
		b, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read the evidence: %w", err)
		}
		p.lines = append(append(p.lines, b...), '\n')
	}
	dir := p.dir
	if dir == "" {
		dir = "."
	}
	if p.repo, err = clone.Open(ctx, dir); err != nil {
		return err
	}
	if err := p.repo.Whole(ctx); err != nil {
		return err
	}
	p.repo.Token, p.repo.User = token, p.user
	p.console.Conceal(p.conceal())
	return nil
}

// conceal takes the token out of what is said.
func (p *promotion) conceal() func(string) string {
	token := p.repo.Token
	return func(text string) string {
		if token == "" {
			return text
		}
		return string(bytes.ReplaceAll([]byte(text), []byte(token), []byte("(token)")))
	}
}

func (p *promotion) options(target string) (promote.Options, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = p.kubeconfig
	patience := existing.Patience
	if p.patience > 0 {
		patience.Retry = p.patience
	}
	o := promote.Options{
		Clone: p.repo, Name: target, Policy: p.rules, Evidence: p.lines, AgeKey: p.key, SigningKey: p.signer, SSHKey: p.sshKey,
		AllowPrune: p.allowPrune, AllowDifferences: p.differs, DryRun: p.dryRun, Resume: p.resume, OnFailure: p.onFailure.value, Timeout: p.timeout,
		Patience: patience, Console: p.console, Now: time.Now, Context: p.context,

		Forge: func(d policy.Delivery) (forge.Forge, error) {
			if p.repo.Token == "" {
				return nil, hint.New("no token for the API of "+d.Provider, "give one in $"+clone.TokenEnv)
			}
			return forge.New(forge.Options{Provider: d.Provider, Server: d.Server, Owner: d.Owner, Repository: d.Repository, Token: p.repo.Token})
		},
		Connect: func(kubeContext string) (*kube.Client, error) {
			config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: kubeContext}).ClientConfig()
			if err != nil {
				return nil, hint.Wrap(fmt.Errorf("read the kubeconfig: %w", err), "give --kubeconfig and --context")
			}
			return kube.New(config)
		},
	}
	kubeconfig, err := p.kubeconfigs(rules)
	if err != nil {
		return o, err
	}
	o.Flux = func(ctx context.Context, stdin []byte, args ...string) (string, error) {
		return p.runFlux(ctx, kubeconfig, stdin, args...)
	}
	return o, nil
}

// kubeconfigs are the files that lead to the cluster, as $KUBECONFIG lists them.
func (p *promotion) kubeconfigs(rules *clientcmd.ClientConfigLoadingRules) (string, error) {
	files := rules.Precedence
	if p.kubeconfig != "" {
		files = []string{p.kubeconfig}
	}
	var out []string
	for _, file := range files {
		abs, err := filepath.Abs(file)
		if err != nil {
			return "", err
		}
		out = append(out, abs)
	}
	return strings.Join(out, string(filepath.ListSeparator)), nil
}

// runAll promotes to all targets.
func (p *promotion) runAll(ctx context.Context) error {
	waves, contexts, err := p.waves(ctx)
	if err != nil {
		return err
	}
	for _, w := range waves { // before the first is promoted
		for _, name := range w.Targets {
			o, err := p.options(name)
			if err != nil {
				return err
			}
			if _, err := o.Connect(cmp.Or(p.context, contexts[name])); err != nil {
				return fmt.Errorf("target %s: %w", name, err)
			}
		}
	}
	f, failed := promote.RunFleet(ctx, waves, p.options)
	if p.record != "" {
		if err := writeRecord(p.record, f.WriteJSON); err != nil {
			return err
		}
	}
	print := f.WriteText
	if p.output.value == outputJSON {
		print = f.WriteJSON
	}
	if err := print(p.Out); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	if !f.Passes() {
		return exit(exitFail)
	}
	return nil
}

// waves are those of the policy, and contexts the targets' own, by name.
func (p *promotion) waves(ctx context.Context) (waves []policy.Wave, contexts map[string]string, err error) {
	rules := p.rules
	if rules == nil {
		head, err := p.repo.Head(ctx)
		if err != nil {
			return nil, nil, err
		}
		if rules, err = promote.LoadPolicy(ctx, p.repo, head); err != nil {
			return nil, nil, err
		}
	}
	if rules == nil || len(rules.Waves) == 0 {
		return nil, nil, hint.New("the policy has no waves", "list them (promotion.waves), or promote to one target: --to")
	}
	contexts = map[string]string{}
	for name, t := range rules.Targets {
		contexts[name] = t.Context
	}
	return rules.Waves, contexts, nil
}

// writeRecord writes a record to a file.
func writeRecord(file string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	return nil
}
