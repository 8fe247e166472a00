package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"seatrial.dev/seatrial/internal/cluster/kind"
	"seatrial.dev/seatrial/internal/docker"
	"seatrial.dev/seatrial/internal/hint"
)

func newDown(s Streams) *cobra.Command {
	var d docker.Client
	cmd := &cobra.Command{
		Use:   "down [NAME...]",
		Short: "End kind clusters that verify --keep left; without a name, list them",
		Example: `  seatrial down
  seatrial down seatrial-1a2b3c4d`,
		RunE: func(cmd *cobra.Command, names []string) error {
			dir, err := keptDir()
			if err != nil {
				return err
			}
			all, err := kind.Clusters(cmd.Context(), d)
			if err != nil {
				return err
			}
			if len(names) == 0 {
				for _, name := range all {
					fmt.Fprintln(s.Out, name)
				}
				return nil
			}
			for _, name := range names {
				if err := known(all, name); err != nil {
					return err
				}
			}
			for _, name := range names {
				if err := kind.Remove(cmd.Context(), d, name); err != nil {
					return err
				}
				file := keptFile(dir, name)
				if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&d.Host, "docker", "", "Docker endpoint (default: $DOCKER_HOST, or docker's own)")
	return cmd
}

// known refuses the name of a cluster that is not there.
func known(clusters []string, name string) error {
	if slices.Contains(clusters, name) {
		return nil
	}
	return hint.Wrap(fmt.Errorf("there is no rehearsal cluster %q", name), "seatrial down lists them")
}

func newKubeconfig(s Streams) *cobra.Command {
	var d docker.Client
	cmd := &cobra.Command{
		Use:   "kubeconfig NAME",
		Short: "Print the kubeconfig of a kind cluster that verify --keep left",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			all, err := kind.Clusters(cmd.Context(), d)
			if err != nil {
				return err
			}
			if err := known(all, names[0]); err != nil {
				return err
			}
			text, err := kind.Kubeconfig(d, names[0])
			if err != nil {
				return err
			}
			_, err = s.Out.Write(text)
			return err
		},
	}
	cmd.Flags().StringVar(&d.Host, "docker", "", "Docker endpoint (default: $DOCKER_HOST, or docker's own)")
	return cmd
}
