package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/pace"
	"seatrial.dev/seatrial/internal/process"
	"seatrial.dev/seatrial/internal/sandbox"
)

// restarts is how often a controller is started again when it ends by itself, as
// kapp-controller does when another client updates its APIService at the same moment.
const restarts = 5

const (
	fluxNamespace = "flux-system"
	kappNamespace = "kapp-controller"
)

// startFlux starts Flux's controllers.
func (c *Cluster) startFlux(ctx context.Context) error {
	components := slices.Clone(engine.FluxComponents)
	if c.generates {
		components = append(components, engine.SourceWatcher)
	}
	for _, name := range components {
		if err := c.startFluxController(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// lookAgainAfter is when a controller looks again at what an object waits for, for what the judge does
// not see and wake it for: a readyExpr, or why a chart is not there, before the judge gives up.
var lookAgainAfter = map[string]string{
	"source-controller": "5s", "kustomize-controller": "5s", "helm-controller": "1s", engine.SourceWatcher: "5s",
}

// startFluxController starts one of Flux's controllers.
func (c *Cluster) startFluxController(ctx context.Context, name string) error {
	program, err := c.Engine.Binary(name)
	if err != nil {
		return err
	}
	kubeconfig, err := c.serviceAccountKubeconfig(ctx, name, fluxNamespace, name)
	if err != nil {
		return err
	}
	metrics, health := c.ports.take(), c.ports.take()
	cell := sandbox.Cell{Execute: []string{program}, Bind: []int{metrics, health}, Connect: []int{c.ports.api, c.ports.artifacts}}
	args := []string{
		"--watch-all-namespaces", "--enable-leader-election=false", "--log-encoding=console", "--events-addr=",
		fmt.Sprintf("--metrics-addr=127.0.0.1:%d", metrics), fmt.Sprintf("--health-addr=127.0.0.1:%d", health),
		"--concurrent=10", "--kube-api-qps=500", "--kube-api-burst=1000",
	}
	if pace.Lively {
		args = append(args,
			"--min-retry-delay=50ms", // each object is reconciled again at once after it got its finalizer; by default 750ms later
			"--requeue-dependency="+lookAgainAfter[name])
	} else {
		args = append(args, "--requeue-dependency=500ms") // Flux's default of 30s is longer than the judge's patience
	}
	if c.generates && name != "source-controller" {
		cell.Connect = append(cell.Connect, c.ports.generated)
		if name != engine.SourceWatcher {
			args = append(args, "--feature-gates=ExternalArtifact=true") // as flux install sets it beside source-watcher
		}
	}
	if port, ok := map[string]int{"source-controller": c.ports.artifacts, engine.SourceWatcher: c.ports.generated}[name]; ok {
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		args = append(args, "--storage-path="+c.path(name, "artifacts"), "--storage-addr="+addr, "--storage-adv-addr="+addr)
		cell.Bind = append(cell.Bind, port)
	}
	env := c.env(name, "KUBECONFIG="+kubeconfig, "RUNTIME_NAMESPACE="+fluxNamespace, "TUF_ROOT="+c.path(name, "tmp"))
	switch name {
	case "source-controller":
		cell.Connect = append(cell.Connect, c.ports.git, c.ports.door)
		cell.Read = append(cell.Read, c.doorCertificate())
		env = append(env, c.throughDoor()...)
	case "kustomize-controller": // fetches remote bases with git
		cell.Git = true
		args = append(args, "--sops-age-secret="+cluster.FallbackKey) // of layers that decrypt with a key service, and so name no Secret
		cell.Connect, cell.Read = append(cell.Connect, c.ports.door), append(cell.Read, c.doorCertificate())
		env = append(append(env, gitEnv...), c.throughDoor()...)
	}
	home, err := c.home(name, "artifacts")
	if err != nil {
		return err
	}
	cell.Write = []string{home}
	return c.group.Start(ctx, process.Spec{Name: name, Program: program, Args: args, Restarts: restarts, Env: env, Cell: cell})
}

// gitEnv confines the git that controllers run: it speaks HTTP only, so that the URL of
// a remote base can neither name files of the machine nor a program to run, and it
// reads no configuration of the machine.
var gitEnv = []string{
	"PATH=/usr/local/bin:/usr/bin:/bin", "GIT_ALLOW_PROTOCOL=http:https", "GIT_TERMINAL_PROMPT=0",
	"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
}

// serviceAccountKubeconfig writes a kubeconfig with a token of a ServiceAccount
// into a program's folder.
func (c *Cluster) serviceAccountKubeconfig(ctx context.Context, program, namespace, name string) (string, error) {
	day := int64((24 * time.Hour).Seconds())
	token, err := c.client.Typed.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &day}}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("get a token of ServiceAccount %s/%s: %w", namespace, name, err)
	}
	config, err := clientcmd.LoadFromFile(c.adminKubeconfig())
	if err != nil {
		return "", err
	}
	for _, user := range config.AuthInfos {
		user.ClientCertificateData, user.ClientKeyData, user.Token = nil, nil, token.Status.Token
	}
	home, err := c.home(program)
	if err != nil {
		return "", err
	}
	file := filepath.Join(home, "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		return "", err
	}
	return file, c.Sandbox.Give(file)
}

// serviceAccountFolder makes the folder that is mounted into a pod for its ServiceAccount:
// the token of kubeconfig, the API server's certificate authority and the namespace.
func (c *Cluster) serviceAccountFolder(kubeconfig string) (string, error) {
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		return "", err
	}
	dir := c.path("serviceaccount")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	files := map[string][]byte{"namespace": []byte(kappNamespace)}
	for _, cl := range config.Clusters {
		files["ca.crt"] = cl.CertificateAuthorityData
	}
	for _, user := range config.AuthInfos {
		files["token"] = []byte(user.Token)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return "", err
		}
	}
	return dir, c.Sandbox.Give(dir)
}

func waitForFile(ctx context.Context, file string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		if _, err := os.Stat(file); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
