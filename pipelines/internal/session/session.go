// Package session lets tests use Dagger's generated client without an engine. The client
// looks for its engine when its package is initialised. This package imports hardly
// anything, so it is initialised earlier, and puts a listener in the engine's place.
package session

import (
	"net"
	"os"
	"strconv"
)

// Listener receives the client's queries.
var Listener net.Listener

func init() {
	var err error
	if Listener, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		panic(err)
	}
	for key, value := range map[string]string{
		"DAGGER_SESSION_PORT":  strconv.Itoa(Listener.Addr().(*net.TCPAddr).Port),
		"DAGGER_SESSION_TOKEN": "test",
	} {
		if err := os.Setenv(key, value); err != nil {
			panic(err)
		}
	}
}
