package embedded

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/kube"
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

// addFlux installs Flux and starts the controllers.
func (c *Cluster) addFlux(ctx context.Context) error {
	if err := c.installFlux(ctx); err != nil {
		return err
	}
	for _, name := range engine.FluxComponents {
		if err := c.startFlux(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// lookAgainAfter is when a controller looks again at what an object waits for, for what the judge does
// not see and wake it for: a readyExpr, or why a chart is not there, before the judge gives up.
var lookAgainAfter = map[string]string{"source-controller": "5s", "kustomize-controller": "5s", "helm-controller": "1s"}

// startFlux starts one of Flux's controllers.
func (c *Cluster) startFlux(ctx context.Context, name string) error {
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
	env := c.env(name, "KUBECONFIG="+kubeconfig, "RUNTIME_NAMESPACE="+fluxNamespace, "TUF_ROOT="+c.path(name, "tmp"))
	switch name {
	case "source-controller":
		addr := fmt.Sprintf("127.0.0.1:%d", c.ports.artifacts)
		args = append(args, "--storage-path="+c.path(name, "artifacts"), "--storage-addr="+addr, "--storage-adv-addr="+addr)
		cell.Bind = append(cell.Bind, c.ports.artifacts)
		cell.Connect = append(cell.Connect, c.ports.git, c.ports.standIns)
	case "kustomize-controller": // fetches remote bases with git
		cell.Git = true
		env = append(env, gitEnv...)
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

// addKappController installs kapp-controller, and starts it and the helper that runs the
// Carvel tools for it.
func (c *Cluster) addKappController(ctx context.Context) error {
	if err := c.installKappController(ctx); err != nil {
		return err
	}
	if err := c.startKappController(ctx); err != nil {
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

// startKappController starts the controller, and the helper that fetches and
// templates for it. They share a folder; only the controller has a token.
func (c *Cluster) startKappController(ctx context.Context) error {
	program, err := c.Engine.Binary("kapp-controller")
	if err != nil {
		return err
	}
	ytt, err := c.Engine.Binary("ytt")
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
	certificates, err := c.home("kapp-certificates")
	if err != nil {
		return err
	}
	home, err := c.home("kapp")
	if err != nil {
		return err
	}
	// A socket's path can't be longer than 108 bytes, which the state folder's short
	// name leaves room for.
	socket := c.path("kapp", "tmp", "exec.sock")
	env := append(c.env("kapp"), append(gitEnv,
		"PATH="+filepath.Dir(ytt)+":/usr/bin:/bin",
		"KAPPCTRL_MEM_TMP_DIR="+c.path("kapp", "tmp"), "KAPPCTRL_SIDECAREXEC_SOCK="+socket)...)
	if err := c.group.Start(ctx, process.Spec{
		Name: "sidecarexec", Program: program, Args: []string{"--sidecarexec"}, Env: env,
		Cell: sandbox.Cell{
			Git: true, Execute: []string{program, filepath.Dir(ytt)}, Write: []string{home},
			Connect: []int{c.ports.api, c.ports.standIns},
		},
	}); err != nil {
		return err
	}
	if err := waitForFile(ctx, socket); err != nil {
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
			Execute: []string{program, filepath.Dir(ytt)}, // it runs kapp itself, with the rights of a package's account
			Write:   []string{home},
			Bind:    []int{metrics, c.ports.packaging}, Connect: []int{c.ports.api},
			At: map[string]string{
				"/home/kapp-controller":                         certificates, // where it writes its certificate
				"/var/run/secrets/kubernetes.io/serviceaccount": account,
			},
		},
	})
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
