package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"seatrial.dev/seatrial/internal/blueprint"
	"seatrial.dev/seatrial/internal/generate"
)

func newImages(s Streams) *cobra.Command {
	var file string
	var check bool
	output := newOutput()
	cmd := &cobra.Command{
		Use:   "images",
		Short: "List every image of a blueprint's services, and how it is pulled",
		Long: `List every image that the services of a blueprint run, the chart or package that
brings it, and the name under which the registry proxy serves it, or why it does not.

With --check, every version that the blueprint's repo pins is looked up where it
comes from instead: charts in their repository's index, images by their manifest,
Jenkins plugins on its update site. One that was withdrawn ends it with exit 1.`,
		Example: `  seatrial images --blueprint seatrial.yaml
  seatrial images --check -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, _, err := readBlueprint(file)
			if err != nil {
				return err
			}
			if check {
				return checkPins(cmd.Context(), s, b, output.value == outputJSON)
			}
			images, err := generate.Images(b)
			if err != nil {
				return err
			}
			if output.value == outputJSON {
				return printJSON(s, images)
			}
			w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "SERVICE\tIMAGE\tSOURCE\tPULLED AS")
			for _, i := range images {
				pulled := i.PulledAs
				if i.Direct != "" {
					pulled = "directly: " + i.Direct
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", i.Service, i.Image, i.Source, pulled)
			}
			return w.Flush()
		},
	}
	cmd.Flags().StringVar(&file, "blueprint", "", "blueprint file (default: "+blueprint.File+" if there is one, else the sample)")
	cmd.Flags().BoolVar(&check, "check", false, "look every version up where it comes from")
	cmd.Flags().VarP(&output, "output", "o", "what to print on stdout")
	return cmd
}
