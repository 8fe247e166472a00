package embedded

import (
	"fmt"
	"net/http"
	"os"

	"seatrial.dev/seatrial/internal/egress"
)

// openDoor opens the door through which controllers reach the outside.
func (c *Cluster) openDoor() error {
	var outside http.RoundTripper
	if conn := c.Sandbox.Link(); conn != nil {
		link, err := egress.NewLink(conn)
		if err != nil {
			return err
		}
		outside = link
	}
	door, err := egress.NewDoor(outside)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.doorCertificate(), door.Certificate(), 0o644); err != nil {
		return err
	}
	if _, err := c.serve(door, c.ports.door); err != nil {
		return err
	}
	c.door = door
	return nil
}

// Door implements cluster.Doored.
func (c *Cluster) Door() *egress.Door { return c.door }

// doorCertificate is the file with the certificate of the door's authority.
func (c *Cluster) doorCertificate() string { return c.path("door.pem") }

// notThrough are the hosts that are reached directly.
const notThrough = "127.0.0.1,localhost"

// doorURL is the door's address as a proxy.
func (c *Cluster) doorURL() string { return fmt.Sprintf("http://127.0.0.1:%d", c.ports.door) }

// trust has a program trust the door: for Go's programs and for git.
func (c *Cluster) trust() []string {
	file := c.doorCertificate()
	return []string{"SSL_CERT_FILE=" + file, "SSL_CERT_DIR=/nonexistent", "GIT_SSL_CAINFO=" + file}
}

// throughDoor has a program's requests pass through the door. libcurl, which git uses, knows the
// lower-case names only.
func (c *Cluster) throughDoor() []string {
	door := c.doorURL()
	return append(c.trust(), "HTTPS_PROXY="+door, "https_proxy="+door, "HTTP_PROXY="+door, "http_proxy="+door,
		"NO_PROXY="+notThrough, "no_proxy="+notThrough)
}
