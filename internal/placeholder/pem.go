package placeholder

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// pair is a certificate, its key and that key's public half as OpenSSH writes it.
type pair struct{ cert, key, ssh string }

// certificate is the self-signed certificate of all placeholders, an authority of itself. Its key is made of the
// mark, so that it is the same in every run and visibly nobody's.
var certificate = sync.OnceValue(func() pair {
	seed := sha256.Sum256([]byte(Mark))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
	if err != nil {
		panic(err) // the seed is a constant
	}
	host := Mark + ".example"
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host, "*." + host, "localhost"},
		NotBefore: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2124, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), repeatable{key})
	if err != nil {
		panic(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		panic(err)
	}
	return pair{
		cert: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		key:  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		ssh:  strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))),
	}
})

// repeatable signs without randomness (RFC 6979).
type repeatable struct{ *ecdsa.PrivateKey }

// Sign signs the same digest the same way each time.
func (r repeatable) Sign(_ io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return r.PrivateKey.Sign(nil, digest, o)
}
