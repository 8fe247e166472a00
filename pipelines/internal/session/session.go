// Package session lets tests use Dagger's generated client without an engine:
// that looks for its engine when it is initialised, and this package, which
// imports next to nothing, is initialised before and offers a listener.
package session

import (
	"net"
	"os"
	"strconv"
)

// Listener is where the client sends its queries.
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
