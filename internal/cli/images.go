package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"seatrial.dev/seatrial/internal/generate"
)

func newImages(s Streams) *cobra.Command {
	var file string
	output := newOutput()
	cmd := &cobra.Command{
		Use:   "images",
		Short: "List every image of a blueprint's services, and how it is pulled",
		Long: `List every image that the services of a blueprint run, the chart or package that
brings it, and the name under which the registry proxy serves it.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b, _, err := readBlueprint(file)
			if err != nil {
				return err
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
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", i.Service, i.Image, i.Source, i.PulledAs)
			}
			return w.Flush()
		},
	}
	cmd.Flags().StringVar(&file, "blueprint", "", "blueprint file (default: "+blueprintFile+" if there is one, else the sample)")
	cmd.Flags().VarP(&output, "output", "o", "what to print on stdout")
	return cmd
}
