package pipelines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"seatrial.dev/seatrial/internal/dagger"
)

// Promote is what is promoted, and where to; see the command's flags.
type Promote struct {
	To, Context        string
	All                bool
	Kubeconfig         *dagger.Secret
	Evidence           *dagger.File
	Policy             *dagger.File
	Token              *dagger.Secret
	AgeKey             *dagger.Secret
	SigningKey         *dagger.Secret
	AllowPrune         bool
	DryRun, Resume     bool
	OnFailure, Timeout string
}

// The secrets' files in containers, in memory.
const (
	kubeconfigFile = "/run/secrets/kubeconfig"
	tokenFile      = "/run/secrets/git-token"
	signingKeyFile = "/run/secrets/signing.key"
)

// The records of a promotion.
const (
	recordFile = "promotion.json"
	textFile   = "promotion.txt"
)

// Promote promotes, and returns the container in which it did; see AssertPromotion. It never comes from Dagger's cache, and
// one that is refused or fails is not an error here.
func (p *Pipeline) Promote(_ context.Context, o Promote) (*dagger.Container, error) {
	c, args, err := p.promotion(o)
	if err != nil {
		return nil, err
	}
	if c, err = anew(c); err != nil {
		return nil, err
	}
	return c.WithExec(args, dagger.ContainerWithExecOpts{Expect: dagger.ReturnTypeAny, RedirectStdout: outDir + "/" + textFile}), nil
}

// promotion is the container for a promotion, and the command.
func (p *Pipeline) promotion(o Promote) (*dagger.Container, []string, error) {
	if o.Kubeconfig == nil {
		return nil, nil, errors.New("promote needs --kubeconfig=file://production.kubeconfig")
	}
	if (o.To == "") != o.All {
		return nil, nil, errors.New("promote needs --to=TARGET, or --all")
	}
	const flux = "/usr/local/bin/flux"
	image := p.Images.Flux
	if image == "" {
		image = fluxImage
	}
	c := p.tool().
		WithFile(flux, p.Dag.Container().From(p.Images.at(image)).File(flux)).
		WithDirectory(outDir, p.Dag.Directory()).
		WithMountedSecret(kubeconfigFile, o.Kubeconfig)
	args := []string{"seatrial", "promote", "--kubeconfig=" + kubeconfigFile, "--flux=" + flux, "--record=" + outDir + "/" + recordFile}
	if o.All {
		args = append(args, "--all")
	}
	for _, f := range [][2]string{{"--to", o.To}, {"--context", o.Context}, {"--on-failure", o.OnFailure}, {"--timeout", o.Timeout}} {
		args = appendFlag(args, f[0], f[1])
	}
	for flag, set := range map[string]bool{"--allow-prune": o.AllowPrune, "--dry-run": o.DryRun, "--resume": o.Resume} {
		if set {
			args = append(args, flag)
		}
	}
	if o.Evidence != nil {
		c, args = c.WithMountedFile("/run/evidence", o.Evidence), append(args, "--evidence=/run/evidence")
	}
	if o.Policy != nil {
		c, args = c.WithMountedFile("/run/policy.yaml", o.Policy), append(args, "--policy=/run/policy.yaml")
	}
	if o.Token != nil {
		c, args = c.WithMountedSecret(tokenFile, o.Token), append(args, "--git-token-file="+tokenFile)
	}
	c, signing := withSigningKey(c, o.SigningKey)
	c, key := withAgeKey(c, o.AgeKey)
	return c, append(append(args, signing...), key...), nil
}

// withSigningKey mounts the key that evidence and artifacts are signed with, in memory, and returns the flag that names it.
func withSigningKey(c *dagger.Container, key *dagger.Secret) (*dagger.Container, []string) {
	if key == nil {
		return c, nil
	}
	return c.WithMountedSecret(signingKeyFile, key), []string{"--signing-key=" + signingKeyFile}
}

// Record is a promotion's record, as JSON, and Text as a person reads it.
func Record(promotion *dagger.Container) *dagger.File { return Output(promotion, recordFile) }

// Text is a promotion's record as a person reads it.
func Text(promotion *dagger.Container) *dagger.File { return Output(promotion, textFile) }

// Outcome is what became of a promotion; of several, the last one's. If it could not be begun, the error holds the command's stderr.
func Outcome(ctx context.Context, promotion *dagger.Container) (string, error) {
	text, err := Record(promotion).Contents(ctx)
	if err != nil {
		said, stderr := promotion.Stderr(ctx)
		if stderr != nil {
			return "", stderr
		}
		return "", fmt.Errorf("the promotion could not be begun:\n%s", strings.TrimSpace(said))
	}
	var record struct {
		Outcome string
		Results []struct{ Outcome string }
	}
	if err := json.Unmarshal([]byte(text), &record); err != nil {
		return "", fmt.Errorf("the promotion's record: %w", err)
	}
	if n := len(record.Results); n > 0 {
		record.Outcome = record.Results[n-1].Outcome
	}
	return record.Outcome, nil
}

// AssertPromotion fails if the promotion did: with the same exit code, and with its record on the screen
// or, if it could not be begun, with the command's stderr.
func AssertPromotion(ctx context.Context, promotion *dagger.Container) error {
	code, err := promotion.ExitCode(ctx)
	if err != nil || code == 0 {
		return err
	}
	if _, err := Outcome(ctx, promotion); err != nil {
		return err
	}
	_, err = promotion.WithExec([]string{"sh", "-c", fmt.Sprintf("cat %s/%s >&2; exit %d", outDir, textFile, code)}).Sync(ctx)
	return err
}

// VerifyEach rehearses several clusters of one repo side by side, each in a container of its own. The
// containers are in the order of paths.
func (p *Pipeline) VerifyEach(ctx context.Context, paths []string, v Verify) ([]*dagger.Container, error) {
	out := make([]*dagger.Container, len(paths))
	group, ctx := errgroup.WithContext(ctx)
	for i, path := range paths {
		group.Go(func() error {
			one := v
			one.Path = path
			var err error
			out[i], err = p.Verify(ctx, one)
			return err
		})
	}
	return out, group.Wait()
}
