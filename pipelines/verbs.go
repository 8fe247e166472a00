package pipelines

import (
	"context"
	"path"

	"seatrial.dev/seatrial/internal/dagger"
)

// Generate returns what the command generate changes in the source folder. Credentials
// are drawn at random, so the result must not come from a cache.
func (p *Pipeline) Generate(blueprint *dagger.File, ageKey *dagger.Secret, out string) (*dagger.Changeset, error) {
	c, args := p.withBlueprint("generate", blueprint)
	c, err := anew(c)
	if err != nil {
		return nil, err
	}
	c, key := withAgeKey(c, ageKey)
	args = append(append(args, key...), "--out="+path.Join(sourceDir, out))
	return c.WithExec(args).Directory(sourceDir).Changes(p.Source), nil
}

// ListImages lists the images of a blueprint's services.
func (p *Pipeline) ListImages(ctx context.Context, blueprint *dagger.File) (string, error) {
	c, args := p.withBlueprint("images", blueprint)
	return c.WithExec(args).Stdout(ctx)
}

// withBlueprint returns the container and the first arguments for a verb that reads a blueprint.
func (p *Pipeline) withBlueprint(verb string, blueprint *dagger.File) (*dagger.Container, []string) {
	c, args := p.tool(), []string{"seatrial", verb}
	if blueprint == nil {
		return c, args
	}
	return c.WithMountedFile("/run/blueprint.yaml", blueprint), append(args, "--blueprint=/run/blueprint.yaml")
}

// Check fails if the static rules find errors.
func (p *Pipeline) Check(ctx context.Context, dir string, ageKey *dagger.Secret) error {
	c, key := withAgeKey(p.tool(), ageKey)
	args := appendFlag(append([]string{"seatrial", "check"}, key...), "--path", dir)
	_, err := c.WithExec(args).Sync(ctx)
	return err
}
