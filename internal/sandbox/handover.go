package sandbox

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Parcel is a piece of data that the inner process hands to the outer one, which alone
// can write to the user's files.
type Parcel struct {
	// Kind says what the data are; each verb defines its own kinds.
	Kind string `json:"kind"`
	// Name of the file that it becomes, without a folder.
	Name string `json:"name,omitempty"`
	Size int    `json:"size"`
	Data []byte `json:"-"`
}

// Kinds that the sandbox itself understands.
const (
	parcelStays = "stays" // the inner process outlives the outer one; the data are the exit code
)

// maxParcel is the largest parcel, in bytes: larger than any report or log.
const maxParcel = 512 << 20

// send writes a parcel: a line of JSON, and the data.
func send(w io.Writer, p Parcel) error {
	p.Size = len(p.Data)
	head, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = w.Write(append(append(head, '\n'), p.Data...))
	return err
}

// receive reads parcels until the end of r and passes each to take. It goes on after an
// error of take, so that the sender never blocks, and returns all errors at the end.
func receive(r io.Reader, take func(Parcel) error) error {
	in := bufio.NewReader(r)
	var failed []error
	for {
		head, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(head) == 0 {
			return errors.Join(failed...)
		}
		if err != nil {
			return errors.Join(append(failed, fmt.Errorf("what the sandbox handed over is cut off: %w", err))...)
		}
		var p Parcel
		if err := json.Unmarshal(head, &p); err != nil || p.Size < 0 || p.Size > maxParcel {
			return errors.Join(append(failed, fmt.Errorf("what the sandbox handed over can't be read: %q", head))...)
		}
		p.Data = make([]byte, p.Size)
		if _, err := io.ReadFull(in, p.Data); err != nil {
			return errors.Join(append(failed, fmt.Errorf("what the sandbox handed over is cut off: %w", err))...)
		}
		if err := take(p); err != nil {
			failed = append(failed, err)
		}
	}
}

// pipes are those between the outer process and the inner one.
type pipes struct {
	ours   []*os.File // the ends that this process keeps
	theirs []*os.File // the ends that the child gets, in the order of its file descriptors
}

// make makes a pipe and returns this process's end of it. The child reads from the other
// end or, otherwise, writes to it.
func (p *pipes) make(childReads bool) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	if childReads {
		r, w = w, r
	}
	p.ours, p.theirs = append(p.ours, r), append(p.theirs, w)
	return r, nil
}

// link makes a socket whose other end the child gets, and returns this process's end of it.
func (p *pipes) link() (net.Conn, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(ends[0]), "link"), os.NewFile(uintptr(ends[1]), "link")
	p.theirs = append(p.theirs, theirs)
	conn, err := net.FileConn(ours)
	return conn, errors.Join(err, ours.Close())
}

// close closes the child's ends in this process and, after a failure, all others.
func (p *pipes) close(failed bool) {
	for _, f := range p.theirs {
		f.Close()
	}
	for _, f := range p.ours {
		if failed {
			f.Close()
		}
	}
}
