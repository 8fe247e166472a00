// Package hostile rehearses repos that want to reach the machine, in a world that
// is thrown away: a mount, network and pid namespace whose root is an overlay of
// the real one, so that whatever is written, deleted or made shows in the overlay's
// upper folder and nothing of the machine is touched. In it lie canaries: files with
// secrets, services on loopback and on a cloud's metadata address, Unix sockets.
//
// It is run with each way in which a machine can confine programs, and then with
// protections taken out, to see that the traps work.
package hostile
