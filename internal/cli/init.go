package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/console"
)

func newInit(s Streams) *cobra.Command {
	var domain, cluster string
	var recipients, services []string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a blueprint to start from",
		Long: `Write seatrial.yaml in the working folder: a blueprint with every service of the
catalogue, the optional ones commented out, ready for seatrial generate. It asks
nothing: flags say what differs from the sample.`,
		Example: `  seatrial init --domain services.example.org --recipient age1… --service harbor,vault`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := os.Lstat(blueprintFile); !errors.Is(err, fs.ErrNotExist) {
				return &console.Hinted{Err: errors.New(blueprintFile + " is there already"), Hint: "edit it, or move it away"}
			}
			c, err := catalogue.Load()
			if err != nil {
				return err
			}
			text := starter(c, cluster, domain, recipients, services)
			if _, err := blueprint.Parse(blueprintFile, []byte(text)); err != nil {
				return err
			}
			if err := os.WriteFile(blueprintFile, []byte(text), 0o644); err != nil {
				return err
			}
			console.New(s.Err).Note("wrote " + blueprintFile + ": edit it, then run seatrial generate")
			return nil
		},
	}
	f := cmd.Flags()
	d := blueprint.Default()
	f.StringVar(&domain, "domain", d.Domain, "what the services' host names end in")
	f.StringVar(&cluster, "cluster", d.Cluster, "the cluster's name")
	f.StringSliceVar(&recipients, "recipient", nil, "age recipient that secrets are encrypted for (repeatable)")
	f.StringSliceVar(&services, "service", []string{"harbor", "minio"}, "service to start with (repeatable)")
	return cmd
}

// starter writes a blueprint that names every service.
func starter(c *catalogue.Catalogue, cluster, domain string, recipients, services []string) string {
	d := blueprint.Default()
	var b strings.Builder
	fmt.Fprintf(&b, "# yaml-language-server: $schema=%s\napiVersion: %s\nkind: %s\n", blueprint.SchemaURL, blueprint.APIVersion, blueprint.Kind)
	fmt.Fprintf(&b, "cluster: %s\nflavour: %s # or %s\ndomain: %s\n", cluster, d.Flavour, blueprint.Generic, domain)
	fmt.Fprintf(&b, "git: {provider: %s, owner: %s, repository: %s, branch: %s}\n", d.Git.Provider, d.Git.Owner, d.Git.Repository, d.Git.Branch)
	fmt.Fprintf(&b, "packagingGlobalNamespace: %s\nissuer: %s\n# storageClass: fast\n# registryProxy: harbor.%s/dh-proxy\n", d.PackagingGlobalNamespace, d.Issuer, domain)
	b.WriteString("# The public keys (seatrial secrets keygen) that secrets are encrypted for.\n")
	if len(recipients) == 0 {
		b.WriteString("# recipients: [age1…]\n")
	} else {
		fmt.Fprintf(&b, "recipients: [%s]\n", strings.Join(recipients, ", "))
	}
	b.WriteString("services:\n")
	wanted := map[string]bool{}
	for _, name := range services {
		wanted[name] = true
	}
	for _, s := range c.Services {
		if s.Component != "" {
			continue
		}
		mark := "# "
		if wanted[s.Name] {
			mark = ""
			delete(wanted, s.Name)
		}
		fmt.Fprintf(&b, "  %s%s: {} # %s\n", mark, s.Name, s.Title)
	}
	for _, name := range services {
		if wanted[name] { // unknown: the parser says what was meant
			fmt.Fprintf(&b, "  %s: {}\n", name)
		}
	}
	return b.String()
}

func newSchema(s Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of blueprints",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := s.Out.Write(blueprint.PublishedSchema)
			return err
		},
	}
}
