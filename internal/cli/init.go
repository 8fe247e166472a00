package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/policy"
	"seatrial.dev/seatrial/internal/spelling"
)

// schemaFile is the JSON schema that init writes beside blueprint.File, so that editors can
// check the blueprint.
const schemaFile = "seatrial.schema.json"

func newInit(s Streams) *cobra.Command {
	var domain, cluster string
	var recipients, services []string
	var onlyPolicy bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a blueprint to start from",
		Long: `Write seatrial.yaml in the working folder: a blueprint with every service of the
catalogue, the optional ones commented out, ready for seatrial generate; and beside
it seatrial.schema.json, by which editors complete and check it. It asks
nothing: flags say what differs from the sample. Its section promotion is what a
promotion has to satisfy; --policy writes that alone, as .seatrial.yaml, for a
repo that has no blueprint.`,
		Example: `  seatrial init --domain services.example.org --recipient age1… --service harbor,vault`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if onlyPolicy {
				return writePolicy(s)
			}
			if _, err := os.Lstat(blueprint.File); !errors.Is(err, fs.ErrNotExist) {
				return hint.New(blueprint.File+" is there already", "edit it, or move it away")
			}
			if b, err := os.ReadFile(schemaFile); !errors.Is(err, fs.ErrNotExist) && !bytes.Equal(b, blueprint.PublishedSchema) {
				return hint.New(schemaFile+" is there already, and is another", "move it away: seatrial schema prints this version's")
			}
			c, err := catalogue.Load()
			if err != nil {
				return err
			}
			if services, err = withRequired(c, services); err != nil {
				return err
			}
			text := starter(c, cluster, domain, recipients, services)
			if _, err := blueprint.Parse(blueprint.File, []byte(text)); err != nil {
				return err
			}
			if err := os.WriteFile(blueprint.File, []byte(text), 0o644); err != nil {
				return err
			}
			if err := os.WriteFile(schemaFile, blueprint.PublishedSchema, 0o644); err != nil {
				return errors.Join(err, os.Remove(blueprint.File))
			}
			console.New(s.Err).Note("wrote " + blueprint.File + ", and " + schemaFile + " by which editors check it: edit it, then run seatrial generate")
			return nil
		},
	}
	f := cmd.Flags()
	d := blueprint.Default()
	f.BoolVar(&onlyPolicy, "policy", false, "write the policy of promotions alone, for the repo in the working folder")
	f.StringVar(&domain, "domain", d.Domain, "what the services' host names end in")
	f.StringVar(&cluster, "cluster", d.Cluster, "the cluster's name")
	f.StringSliceVar(&recipients, "recipient", nil, "age recipient that secrets are encrypted for (repeatable)")
	f.StringSliceVar(&services, "service", []string{"harbor", "minio"}, "service to start with (repeatable)")
	return cmd
}

// withRequired returns services and, in addition, the services that they require.
func withRequired(c *catalogue.Catalogue, services []string) ([]string, error) {
	var out []string
	charts := false
	for i := 0; i < len(services); i++ {
		name := services[i]
		if slices.Contains(out, name) {
			continue
		}
		s := c.Service(name)
		if s == nil || s.Component != "" {
			next := "use some of " + strings.Join(c.Names(), ", ")
			if near := spelling.Nearest(name, c.Names()); near != "" {
				next = "did you mean " + near + "?"
			}
			return nil, hint.Wrap(fmt.Errorf("there is no service %s", name), next)
		}
		out, charts = append(out, name), charts || s.Chart != nil
		services = append(services, s.Requires...)
	}
	if !charts {
		return nil, hint.New("no service of a Helm chart is among them", "cert-manager and contour come with every exposed service: name one that uses them")
	}
	return out, nil
}

// starter returns the text of a blueprint that lists every service; those that are not
// in services are commented out.
func starter(c *catalogue.Catalogue, cluster, domain string, recipients, services []string) string {
	d := blueprint.Default()
	var b strings.Builder
	fmt.Fprintf(&b, "# yaml-language-server: $schema=./%s\napiVersion: %s\nkind: %s\n", schemaFile, blueprint.APIVersion, blueprint.Kind)
	fmt.Fprintf(&b, "cluster: %s\nflavour: %s # or %s\ndomain: %s\n", cluster, d.Flavour, blueprint.Generic, domain)
	fmt.Fprintf(&b, "git: {provider: %s, owner: %s, repository: %s, branch: %s}\n", d.Git.Provider, d.Git.Owner, d.Git.Repository, d.Git.Branch)
	fmt.Fprintf(&b, "packagingGlobalNamespace: %s\n# issuer: vault-issuer # the default with Vault; without, bootstrap-issuer\n# storageClass: fast\n# registryProxy: {docker.io: registry.my-domain.com/docker-proxy, quay.io: registry.my-domain.com/quay-proxy}\n", d.PackagingGlobalNamespace)
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
		}
		fmt.Fprintf(&b, "  %s%s: {} # %s\n", mark, s.Name, s.Title)
	}
	b.WriteString("# What a tree has to satisfy before it reaches the real cluster: docs/promotion.md of Seatrial.\n")
	b.WriteString(policy.Starter("platforms/clusters/" + cluster + "/kustomizations"))
	return b.String()
}

// policySchemaFile is the JSON schema that init --policy writes beside policy.File.
const policySchemaFile = ".seatrial.schema.json"

// writePolicy writes the policy of promotions for the Flux repo in the working folder.
func writePolicy(s Streams) error {
	if _, err := os.Lstat(blueprint.File); !errors.Is(err, fs.ErrNotExist) {
		return hint.New("this repo has a blueprint, "+blueprint.File+": its policy is the section promotion there", "write it there, and run seatrial generate --age-key FILE, which copies it to "+policy.File+"; seatrial init in an empty folder shows one")
	}
	for _, file := range []string{policy.File, policySchemaFile} {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			return hint.New(file+" is there already", "edit it, or move it away")
		}
	}
	tree, err := gitops.Read(os.DirFS("."))
	if err != nil {
		return err
	}
	path := "clusters/production" // to be edited, if there is none, or more than one
	if all := tree.Clusters(); len(all) == 1 {
		path = all[0].Path
	}
	if err := os.WriteFile(policy.File, []byte(policy.StarterFile(path, policySchemaFile)), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(policySchemaFile, policy.PublishedSchema, 0o644); err != nil {
		return errors.Join(err, os.Remove(policy.File))
	}
	console.New(s.Err).Note("wrote " + policy.File + ", and " + policySchemaFile + " by which editors check it: name your cluster in it, and commit both")
	return nil
}

func newSchema(s Streams) *cobra.Command {
	return &cobra.Command{
		Use:       "schema [blueprint|rehearsal]",
		Short:     "Print the JSON schema of blueprints, or of " + policy.File,
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"blueprint", "rehearsal"},
		RunE: func(_ *cobra.Command, args []string) error {
			schema := blueprint.PublishedSchema
			if first(args) == "rehearsal" {
				schema = policy.PublishedSchema
			}
			_, err := s.Out.Write(schema)
			return err
		},
	}
}
