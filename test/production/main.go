// Command production plays the real cluster, and the provider of its repo, for tests of promotions: an
// embedded cluster on this machine's loopback that is not bootstrapped, whose Flux can reach a Git server
// that takes pushes with a token. Charts and packages are stand-ins, as in a rehearsal.
//
//	production -repo DIR -path FOLDER -bare REPO.git -kubeconfig FILE
//
// It prints a line of JSON when it is up, and ends when its stdin does.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/cluster/embedded"
	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/redirect"
	"seatrial.dev/seatrial/internal/sandbox"
	"seatrial.dev/seatrial/internal/standin"
)

// token is what the Git server takes as a password: another one for each production.
var token = "canary-" + rand.Text()

// world is what the outer process passes on.
type world struct {
	Engine                              map[string]string
	Repo, Path, Git, Global, Pod, Token string
}

// up is what is printed.
type up struct {
	Kubeconfig string `json:"kubeconfig"`
	Git        string `json:"git"`
	Registry   string `json:"registry"`
	Token      string `json:"token"`
	UID        string `json:"uid"`
}

func main() {
	sandbox.Shim()
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "production:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var w world
	ctx, box, err := sandbox.Inside(ctx, &w, func() []string { return append(slices.Collect(maps.Values(w.Engine)), w.Repo) })
	if err != nil {
		return err
	}
	if box != nil {
		return inside(ctx, box, w)
	}
	var bare, kubeconfig string
	flag.StringVar(&w.Repo, "repo", "", "folder of the repo, for its stand-ins")
	flag.StringVar(&w.Path, "path", "", "the cluster's folder in it")
	flag.StringVar(&bare, "bare", "", "bare repository that is served")
	flag.StringVar(&kubeconfig, "kubeconfig", "", "file to write")
	flag.StringVar(&w.Global, "packaging-global-namespace", "tkg-system", "")
	flag.StringVar(&w.Pod, "pod-security", "restricted", "")
	flag.Parse()
	cache, err := engine.OpenCache(ctx, embedded.Recipe())
	if err != nil {
		return err
	}
	built, err := cache.Engine()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { fmt.Fprintln(os.Stderr, "git:", http.Serve(l, gitServer(bare))) }()
	w.Engine, w.Git, w.Token = built.Dirs(), "http://"+l.Addr().String(), token
	ctx, cancel := context.WithCancel(ctx)
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); cancel() }()
	_, err = sandbox.Run(ctx, sandbox.Options{Args: os.Args[1:], HostNetwork: true, Unconfined: true, Payload: &w, Receive: func(p sandbox.Parcel, _ int, _ string) error {
		var u up
		if err := json.Unmarshal(p.Data, &u); err != nil {
			return err
		}
		if err := os.WriteFile(kubeconfig, []byte(u.Kubeconfig), 0o600); err != nil {
			return err
		}
		u.Kubeconfig = kubeconfig
		return json.NewEncoder(os.Stdout).Encode(u)
	}})
	return err
}

// enter changes to the sandbox's own root, and returns the engine as it is seen there.
func enter(box *sandbox.Sandbox, families map[string]string) (*engine.Engine, error) {
	show := map[string]string{}
	for family, dir := range families {
		show["/engine/"+family] = dir
	}
	built := engine.At(families)
	if box.Roots() {
		built = built.Moved("/engine")
	}
	return built, box.Enter(show)
}

func inside(ctx context.Context, box *sandbox.Sandbox, w world) error {
	repo, err := gitops.Load(os.DirFS(w.Repo), w.Path)
	if err != nil {
		return err
	}
	services, err := catalogue.Load()
	if err != nil {
		return err
	}
	built, err := enter(box, w.Engine)
	if err != nil {
		return err
	}
	c := embedded.New(embedded.Options{Engine: built, Sandbox: box, PackagingGlobalNamespace: w.Global, PodSecurity: w.Pod})
	defer c.Down()
	if err := c.Up(ctx, nil); err != nil {
		return err
	}
	origin, err := url.Parse(w.Git)
	if err != nil {
		return err
	}
	both := http.NewServeMux()
	both.Handle("/v2/", registry.New(registry.Logger(log.New(io.Discard, "", 0)))) // for OCI artifacts
	both.Handle("/", httputil.NewSingleHostReverseProxy(origin))
	git, err := c.ServeGit(both)
	if err != nil {
		return err
	}
	shelf, err := c.Shelf(ctx)
	if err != nil {
		return err
	}
	served, err := standin.Fill(ctx, services, shelf, repo)
	if err != nil {
		return err
	}
	if err := redirect.Enforce(ctx, c.Client(), redirect.Options{Repo: repo, GitURL: git + "/repo.git", GitSecret: "flux-system", Served: served}); err != nil {
		return err
	}
	if err := c.Complete(ctx); err != nil {
		return err
	}
	ns, err := c.Client().Typed.CoreV1().Namespaces().Get(ctx, "kube-system", metav1.GetOptions{})
	if err != nil {
		return err
	}
	kubeconfig, err := os.ReadFile(filepath.Join(box.Dir, "controlplane", "cluster", "admin.kubeconfig"))
	if err != nil {
		return err
	}
	b, err := json.Marshal(up{Kubeconfig: string(kubeconfig), Git: git + "/repo.git", Registry: strings.TrimPrefix(git, "http://"), Token: w.Token, UID: string(ns.UID)})
	if err != nil {
		return err
	}
	if err := box.Hand("up", "", b); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-c.Failed():
		return err
	}
}
