// Tests of the Seatrial module, by a module that uses it as others would.
//
//	dagger call -m tests all
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"

	"dagger/tests/internal/dagger"
)

// Tests of the Seatrial module.
type Tests struct {
	// +private
	Repos *dagger.Directory
	// +private
	Engine *dagger.Directory
}

func New(
	// Faulty repos, a folder for each.
	//
	// +defaultPath="/fixtures/repos"
	repos *dagger.Directory,
	// Engine that was built before, to save its build.
	//
	// +optional
	engine *dagger.Directory,
) *Tests {
	return &Tests{Repos: repos, Engine: engine}
}

func (t *Tests) seatrial(source *dagger.Directory) *dagger.Seatrial {
	return dag.Seatrial(dagger.SeatrialOpts{Source: source, Engine: t.Engine})
}

// All runs every test.
//
// +check
// +cache="session"
func (t *Tests) All(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return t.Sample(ctx) })
	group.Go(func() error { return t.Faulty(ctx) })
	group.Go(func() error { return t.Checks(ctx) })
	group.Go(func() error { return t.Generates(ctx) })
	return group.Wait()
}

// Sample rehearses the sample: it passes, and its reports say so.
//
// +cache="session"
func (t *Tests) Sample(ctx context.Context) error {
	r := t.seatrial(dag.Directory()).Verify()
	if err := r.Assert(ctx); err != nil {
		return err
	}
	layers, err := r.Layers(ctx)
	if err != nil {
		return err
	}
	junit, err := r.Junit().Contents(ctx)
	if err != nil {
		return err
	}
	if len(layers) != 10 || strings.Count(junit, "<testcase") != 11 || strings.Contains(junit, "<failure") {
		return fmt.Errorf("%d layers, junit %s", len(layers), junit)
	}
	return nil
}

// Faulty rehearses a repo that fails: by itself that is an error, and its
// reports can be had all the same.
//
// +cache="session"
func (t *Tests) Faulty(ctx context.Context) error {
	r := t.seatrial(t.Repos.Directory("dependency-cycle")).Verify()
	if err := r.Assert(ctx); err == nil {
		return errors.New("a repo with a dependsOn cycle passed")
	} else if !strings.Contains(err.Error(), "exit code: 1") {
		return fmt.Errorf("want exit code 1, got %w", err)
	}
	verdict, err := r.Verdict(ctx)
	if err != nil || verdict != "fail" {
		return fmt.Errorf("verdict %q: %w", verdict, err)
	}
	report, err := r.Report().Contents(ctx)
	if err != nil {
		return err
	}
	if !strings.Contains(report, `"dependency-cycle"`) {
		return errors.New("the report does not name the cycle")
	}
	logs, err := r.Logs().Entries(ctx)
	if err != nil || len(logs) == 0 {
		return fmt.Errorf("%d logs: %w", len(logs), err)
	}
	return nil
}

// Checks runs the static rules over each repo.
//
// +cache="session"
func (t *Tests) Checks(ctx context.Context) error {
	for repo, fails := range map[string]bool{"dependency-cycle": true, "bootstrapped": false} {
		if err := t.seatrial(t.Repos.Directory(repo)).Check(ctx); (err != nil) != fails {
			return fmt.Errorf("check of %s: %v", repo, err)
		}
	}
	return nil
}

// Generates writes the sample's repo into an empty folder, with its secrets encrypted.
//
// +cache="session"
func (t *Tests) Generates(ctx context.Context) error {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	changes := t.seatrial(dag.Directory()).Generate(dagger.SeatrialGenerateOpts{AgeKey: dag.SetSecret("age-key", key.String())})
	added, err := changes.AddedPaths(ctx)
	if err != nil {
		return err
	}
	secrets, err := changes.After().Glob(ctx, "platforms/**/secrets/**/*.yaml")
	if err != nil {
		return err
	}
	encrypted := 0
	for _, file := range secrets {
		text, err := changes.After().File(file).Contents(ctx)
		if err != nil {
			return err
		}
		if strings.Contains(text, "kind: Secret") && !strings.Contains(text, "ENC[AES256_GCM") {
			return fmt.Errorf("%s is not encrypted", file)
		}
		if strings.Contains(text, key.Recipient().String()) {
			encrypted++
		}
	}
	if len(added) < 30 || encrypted == 0 {
		return fmt.Errorf("%d files, %d of them encrypted", len(added), encrypted)
	}
	return nil
}
