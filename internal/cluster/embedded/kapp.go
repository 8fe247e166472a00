package embedded

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/process"
	"seatrial.dev/seatrial/internal/sandbox"
)

// startKappController starts kapp-controller, and returns when the API that it serves is available.
func (c *Cluster) startKappController(ctx context.Context) error {
	if err := c.startKappProgram(ctx); err != nil {
		return err
	}
	waiting, available := context.WithCancel(ctx)
	defer available()
	go c.lookAgain(waiting, packagingAPI)
	if err := c.client.AwaitAvailable(ctx, packagingAPI); err != nil {
		return fmt.Errorf("%w\n%s", err, c.group.Tail("kapp-controller", 5))
	}
	return nil
}

// packagingAPI is the API that kapp-controller serves.
const packagingAPI = "v1alpha1.data.packaging.carvel.dev"

// lookAgain has the API server look at an aggregated API every 100 ms from when its process
// listens until ctx ends. By itself it looks ever more rarely, and sees a second too late that
// the API answers. Errors are left to those who wait for the API.
func (c *Cluster) lookAgain(ctx context.Context, apiService string) {
	object := kube.Object("apiregistration.k8s.io/v1", "APIService", "", apiService, nil)
	for n := 0; ctx.Err() == nil; {
		wait := 20 * time.Millisecond
		if conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", c.ports.packaging)); err == nil {
			_ = conn.Close()
			n++
			_ = c.client.Annotate(ctx, object, "seatrial.dev/look", fmt.Sprint(n))
			wait = 100 * time.Millisecond
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// kappProgram is what kapp-controller and its sidecar have in common: the program, the folder of
// the Carvel tools, and the environment. They share a folder; only the controller has a token.
func (c *Cluster) kappProgram() (program, tools string, env []string, err error) {
	if program, err = c.Engine.Binary("kapp-controller"); err != nil {
		return
	}
	ytt, err := c.Engine.Binary("ytt")
	if err != nil {
		return
	}
	tools = filepath.Dir(ytt)
	return program, tools, append(c.env("kapp"), append(gitEnv,
		"PATH="+tools+":/usr/bin:/bin",
		"KAPPCTRL_MEM_TMP_DIR="+c.path("kapp", "tmp"), "KAPPCTRL_SIDECAREXEC_SOCK="+c.sidecarSocket())...), nil
}

// sidecarSocket is where the sidecar listens. A socket's path can't be longer than 108 bytes,
// which the state folder's short name leaves room for.
func (c *Cluster) sidecarSocket() string { return c.path("kapp", "tmp", "exec.sock") }

// startSidecar starts the helper that runs the Carvel tools for kapp-controller. It needs no
// API server.
func (c *Cluster) startSidecar(ctx context.Context) error {
	program, tools, env, err := c.kappProgram()
	if err != nil {
		return err
	}
	home, err := c.home("kapp")
	if err != nil {
		return err
	}
	return c.group.Start(ctx, process.Spec{
		// By its own configuration kapp-controller decides which proxy its tools use: see kappObjects.
		Name: "sidecarexec", Program: program, Args: []string{"--sidecarexec"}, Env: append(env, c.trust()...),
		Cell: sandbox.Cell{
			Git: true, Execute: []string{program, tools}, Write: []string{home},
			Connect: []int{c.ports.api, c.ports.door}, Read: []string{c.doorCertificate()},
		},
	})
}

// startKappProgram starts the controller's program.
func (c *Cluster) startKappProgram(ctx context.Context) error {
	program, tools, env, err := c.kappProgram()
	if err != nil {
		return err
	}
	kubeconfig, err := c.serviceAccountKubeconfig(ctx, "kapp-token", kappNamespace, "kapp-controller-sa")
	if err != nil {
		return err
	}
	account, err := c.serviceAccountFolder(kubeconfig)
	if err != nil {
		return err
	}
	certificate, err := c.kappCertificate()
	if err != nil {
		return err
	}
	if err := waitForFile(ctx, c.sidecarSocket()); err != nil {
		return fmt.Errorf("kapp-controller's sidecarexec does not answer: %w\n%s", err, c.group.Tail("sidecarexec", 20))
	}
	metrics := c.ports.take()
	return c.group.Start(ctx, process.Spec{
		Name: "kapp-controller", Program: program, Restarts: restarts,
		Args: []string{
			"-packaging-global-namespace=" + c.PackagingGlobalNamespace, "-enable-api-priority-and-fairness=false",
			fmt.Sprintf("-metrics-bind-address=127.0.0.1:%d", metrics), "-concurrency=10",
		},
		Env: append(env, "KUBERNETES_SERVICE_HOST=127.0.0.1", fmt.Sprintf("KUBERNETES_SERVICE_PORT=%d", c.ports.api),
			"KAPPCTRL_SYSTEM_NAMESPACE="+kappNamespace, fmt.Sprintf("KAPPCTRL_API_PORT=%d", c.ports.packaging)),
		Cell: sandbox.Cell{
			Execute: []string{program, tools}, // it runs kapp itself, with the rights of a package's account
			Write:   []string{c.path("kapp")},
			Bind:    []int{metrics, c.ports.packaging}, Connect: []int{c.ports.api},
			At: map[string]string{
				"/home/kapp-controller":                         certificate,
				"/var/run/secrets/kubernetes.io/serviceaccount": account,
			},
		},
	})
}

// kappCertificate makes the folder with the certificate of the API that kapp-controller
// serves, signed by itself as kapp-controller's own would be. Its own would have two RSA keys,
// which take it up to half a second to find.
func (c *Cluster) kappCertificate() (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kapp-controller"},
		DNSNames:  []string{"packaging-api." + kappNamespace + ".svc"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	dir, err := c.home("kapp-certificate")
	if err != nil {
		return "", err
	}
	for name, block := range map[string]*pem.Block{
		"kapp-controller.crt": {Type: "CERTIFICATE", Bytes: cert}, "kapp-controller.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			return "", err
		}
		if err := c.Sandbox.Give(file); err != nil {
			return "", err
		}
	}
	return dir, nil
}
