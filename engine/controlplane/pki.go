package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// authority is a certificate authority that lives as long as the cluster.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// writePKI makes both authorities, every certificate and the kubeconfigs under --dir.
func (c *cluster) writePKI(context.Context) error {
	if err := os.MkdirAll(c.path("pki"), 0o700); err != nil {
		return err
	}
	ca, err := c.newAuthority("ca")
	if err != nil {
		return err
	}
	frontProxy, err := c.newAuthority("front-proxy-ca")
	if err != nil {
		return err
	}
	if err := c.issue(frontProxy, "front-proxy", "front-proxy-client", "", nil); err != nil {
		return err
	}
	names := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	if err := c.issue(ca, "apiserver", "kube-apiserver", "", names); err != nil {
		return err
	}
	for _, user := range []struct{ file, name, group string }{
		{"admin", "admin", "system:masters"},
		{"controller-manager", "system:kube-controller-manager", ""},
		{"scheduler", "system:kube-scheduler", ""},
	} {
		if err := c.issue(ca, user.file, user.name, user.group, nil); err != nil {
			return err
		}
		if err := c.writeKubeconfig(user.file, ca); err != nil {
			return err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	return c.writeKey("sa", key)
}

func (c *cluster) newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := template(name)
	t.IsCA, t.BasicConstraintsValid = true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	a := &authority{cert: cert, key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	if err := os.WriteFile(c.path("pki", name+".crt"), a.pem, 0o600); err != nil {
		return nil, err
	}
	return a, c.writeKey(name, key)
}

func (c *cluster) issue(a *authority, file, user, group string, dns []string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t := template(user)
	if group != "" {
		t.Subject.Organization = []string{group}
	}
	t.DNSNames = dns
	t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return err
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(c.path("pki", file+".crt"), block, 0o600); err != nil {
		return err
	}
	return c.writeKey(file, key)
}

func template(commonName string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: commonName},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(1, 0, 0),
	}
}

func (c *cluster) writeKey(name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(c.path("pki", name+".key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

func (c *cluster) writeKubeconfig(user string, ca *authority) error {
	crt, err := os.ReadFile(c.path("pki", user+".crt"))
	if err != nil {
		return err
	}
	key, err := os.ReadFile(c.path("pki", user+".key"))
	if err != nil {
		return err
	}
	k := clientcmdapi.NewConfig()
	k.Clusters["seatrial"] = &clientcmdapi.Cluster{Server: c.server(), CertificateAuthorityData: ca.pem}
	k.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: crt, ClientKeyData: key}
	k.Contexts["seatrial"] = &clientcmdapi.Context{Cluster: "seatrial", AuthInfo: user}
	k.CurrentContext = "seatrial"
	return clientcmd.WriteToFile(*k, c.path(user+".kubeconfig"))
}
