// Package internet plays the world outside of a rehearsal, for tests: a Helm repository, an OCI
// registry with a token server, and a Git server, over TLS by a certificate authority of its own,
// behind an HTTP proxy, as companies have one. It listens on loopback only; its host names are known to
// the proxy alone.
package internet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Internet is a world of hosts.
type Internet struct {
	// CA is the file with the certificate of its authority.
	CA string

	proxy, hosts net.Listener
	key          *ecdsa.PrivateKey
	ca           *x509.Certificate

	mu       sync.Mutex
	handlers map[string]http.Handler
	asked    map[string]int
}

// New starts a world without hosts. Its files are in dir.
func New(dir string) (*Internet, error) {
	i := &Internet{CA: filepath.Join(dir, "internet.pem"), handlers: map[string]http.Handler{}, asked: map[string]int{}}
	if err := i.authority(); err != nil {
		return nil, err
	}
	var err error
	if i.proxy, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if i.hosts, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	quiet := log.New(io.Discard, "", 0)
	go func() {
		_ = (&http.Server{Handler: http.HandlerFunc(i.connect), ErrorLog: quiet, ReadHeaderTimeout: time.Minute}).Serve(i.proxy)
	}()
	go func() {
		server := &http.Server{Handler: http.HandlerFunc(i.serve), ErrorLog: quiet, ReadHeaderTimeout: time.Minute}
		_ = server.Serve(tls.NewListener(i.hosts, &tls.Config{GetCertificate: i.certificate, NextProtos: []string{"http/1.1"}}))
	}()
	return i, nil
}

// Close takes the world away.
func (i *Internet) Close() {
	_ = i.proxy.Close()
	_ = i.hosts.Close()
}

// Env is the environment of a program that lives in this world.
func (i *Internet) Env() []string {
	return []string{"HTTPS_PROXY=http://" + i.proxy.Addr().String(), "SSL_CERT_FILE=" + i.CA, "NO_PROXY="}
}

// Handle has a host answer.
func (i *Internet) Handle(host string, h http.Handler) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.handlers[host] = h
}

// Asked says how often a host was asked.
func (i *Internet) Asked(host string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked[host]
}

func (i *Internet) serve(w http.ResponseWriter, r *http.Request) {
	host := strings.TrimSuffix(r.Host, ":443")
	i.mu.Lock()
	i.asked[host]++
	h := i.handlers[host]
	i.mu.Unlock()
	if h == nil {
		http.Error(w, "no such host: "+r.Host, http.StatusBadGateway)
		return
	}
	h.ServeHTTP(w, r)
}

// connect is the proxy.
func (i *Internet) connect(w http.ResponseWriter, r *http.Request) {
	host, _, _ := strings.Cut(r.Host, ":")
	i.mu.Lock()
	known := i.handlers[host] != nil
	i.mu.Unlock()
	if r.Method != http.MethodConnect || !known {
		http.Error(w, "no such host: "+host, http.StatusBadGateway)
		return
	}
	to, err := net.Dial("tcp4", i.hosts.Addr().String())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer to.Close()
	from, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer from.Close()
	if _, err := fmt.Fprint(from, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(to, from)
		_ = to.Close()
	}()
	_, _ = io.Copy(from, to)
}

func (i *Internet) authority() error {
	var err error
	if i.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the internet"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, i.key.Public(), i.key)
	if err != nil {
		return err
	}
	if i.ca, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	return os.WriteFile(i.CA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

func (i *Internet) certificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{h.ServerName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, i.ca, i.key.Public(), i.key)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: i.key}, err
}
