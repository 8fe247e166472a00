package generate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"time"
)

// authority is a certificate authority, as PEM: it signs the certificates of a cluster's services.
type authority struct{ Certificate, Key string }

// authorityPrefix is the beginning of the names of the authority's two parts.
const authorityPrefix = "authority/"

// authorityFor is how long the authority's certificate is valid.
const authorityFor = 10 * 365 * 24 * time.Hour

// authority returns the authority of a cluster, and makes it if there is none.
func (c *Credentials) authority(cluster string) (authority, error) {
	const certificate, key = authorityPrefix + "certificate", authorityPrefix + "key"
	if c == nil {
		return authority{"<" + certificate + ">", "<" + key + ">"}, nil
	}
	c.used[certificate], c.used[key] = true, true
	if c.values[certificate] != "" && c.values[key] != "" {
		return authority{c.values[certificate], c.values[key]}, nil
	}
	a, err := newAuthority(cluster)
	if err == nil {
		c.values[certificate], c.values[key] = a.Certificate, a.Key
	}
	return a, err
}

func newAuthority(cluster string) (authority, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return authority{}, err
	}
	now := time.Now().Add(-time.Hour).UTC() // clocks differ
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: cluster + " platform CA"},
		NotBefore: now, NotAfter: now.Add(authorityFor),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, private.Public(), private)
	if err != nil {
		return authority{}, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return authority{}, err
	}
	text := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return authority{text("CERTIFICATE", der), text("PRIVATE KEY", secret)}, nil
}
