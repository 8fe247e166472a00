// Package cli is the seatrial command: one file per verb.
//
// Exit codes, for every verb: 0 success, 1 findings or layers that did not reconcile, 2
// wrong usage or a problem of the environment.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/sandbox"
	"seatrial.dev/seatrial/internal/spelling"
)

// Streams are where a command reads and writes.
type Streams struct {
	In  io.Reader
	Out io.Writer // data
	Err io.Writer // everything said to a person
}

// Exit codes.
const (
	exitPass  = 0
	exitFail  = 1
	exitUsage = 2
)

// exit is an error that only carries an exit code: everything has been printed already.
type exit int

// Error is never shown.
func (e exit) Error() string { return "exit" }

// Main runs the command and returns its exit code.
func Main(args []string, s Streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sandbox.EndWithGoRun(func() { cancel(errors.New("go run is gone")) })
	klog.SetLogger(logr.Discard()) // client-go tells there of connections that end; errors are returned as well
	root := newRoot(s)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var code exit
	switch {
	case err == nil:
		return exitPass
	case errors.As(err, &code):
		return int(code)
	}
	c := console.New(s.Err)
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
		c.Error(errors.New("interrupted"))
		return exitUsage
	}
	c.Error(err)
	return exitUsage
}

// version is what Go knows of this build: a tag, or a commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value
		}
	}
	return v
}

func newRoot(s Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "seatrial",
		Short: "The sea trial of a GitOps repository",
		Long: `Seatrial launches a Flux repo, layer by layer, on a real Kubernetes with the
real Flux and kapp-controller, before it meets its cluster: it watches each
layer reconcile, or says which object keeps it from doing so, and where.`,
		Version: version(), SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return hint.Wrap(err, "see "+c.CommandPath()+" --help")
	})
	root.AddCommand(newVerify(s), newPromote(s), newAttest(s), newFlux(), newDown(s), newKubeconfig(s), newCheck(s), newInit(s), newGenerate(s), newImages(s), newSecrets(s), newSchema(s), newSources(s), newEngine(s), newDoctor(s))
	return root
}

// group makes a command that only has subcommands refuse what is none: cobra would print
// its help, and exit 0.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		next := "see " + c.CommandPath() + " --help"
		var names []string
		for _, sub := range c.Commands() {
			names = append(names, sub.Name())
		}
		if near := spelling.Nearest(args[0], names); near != "" {
			next = "did you mean " + near + "?"
		}
		return hint.New(fmt.Sprintf("unknown command %q for %q", args[0], c.CommandPath()), next)
	}
	return cmd
}
