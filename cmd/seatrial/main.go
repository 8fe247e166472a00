// Command seatrial rehearses a Flux repo before it meets its cluster.
package main

import (
	"os"

	"seatrial.dev/seatrial/internal/cli"
	"seatrial.dev/seatrial/internal/sandbox"
)

func main() {
	sandbox.Shim()
	os.Exit(cli.Main(os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
