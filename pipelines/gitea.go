package pipelines

import (
	_ "embed"

	"seatrial.dev/seatrial/internal/dagger"
)

// giteaSetup is a script that starts a Gitea, makes a user and a repo in it, and stops it.
//
//go:embed gitea.sh
var giteaSetup string

// Gitea returns a Git server, as a service on port 3000, with the source folder as a
// private repo.
func (p *Pipeline) Gitea(password *dagger.Secret) *dagger.Service {
	c := p.Dag.Container().From(p.Images.at(p.Images.Gitea))
	for _, e := range [][2]string{
		{"GITEA__security__INSTALL_LOCK", "true"},
		{"GITEA__server__DISABLE_SSH", "true"},
		{"GITEA__server__START_SSH_SERVER", "false"},
		{"GITEA__server__OFFLINE_MODE", "true"},
		{"GITEA__service__DISABLE_REGISTRATION", "true"},
		{"GITEA__database__DB_TYPE", "sqlite3"},
	} {
		c = c.WithEnvVariable(e[0], e[1])
	}
	return c.
		WithMountedDirectory(sourceDir, p.Source).
		WithMountedSecret("/run/secrets/password", password).
		WithExec([]string{"bash", "-c", giteaSetup}).
		WithoutMount(sourceDir).
		WithoutMount("/run/secrets/password").
		WithExposedPort(3000).
		AsService(dagger.ContainerAsServiceOpts{UseEntrypoint: true})
}
