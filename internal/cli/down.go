package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"seatrial.dev/seatrial/internal/cluster/kind"
	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/docker"
	"seatrial.dev/seatrial/internal/engine"
)

func newDown(s Streams) *cobra.Command {
	var d docker.Client
	cmd := &cobra.Command{
		Use:   "down [NAME...]",
		Short: "End kind clusters that verify --keep left; without a name, list them",
		Example: `  seatrial down
  seatrial down seatrial-1a2b3c4d`,
		RunE: func(cmd *cobra.Command, names []string) error {
			cache, err := engine.OpenCache(cmd.Context())
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
				if !slices.Contains(all, name) {
					return &console.Hinted{Err: fmt.Errorf("there is no rehearsal cluster %q", name), Hint: "seatrial down lists them"}
				}
			}
			for _, name := range names {
				if err := kind.Remove(cmd.Context(), d, name); err != nil {
					return err
				}
				file := keptFile(filepath.Join(filepath.Dir(cache.Dir), "kept"), name)
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
