package cli

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"seatrial.dev/seatrial/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Shim()
	testscript.Main(m, map[string]func(){
		"seatrial": func() { os.Exit(Main(os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})) },
	})
}

// Each script is named after the behaviour that it shows.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOFLAGS", "GOPROXY"} {
				if v, ok := os.LookupEnv(name); ok {
					e.Setenv(name, v)
				}
			}
			return nil
		},
	})
}
