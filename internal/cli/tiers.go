package cli

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/cluster/embedded"
	"seatrial.dev/seatrial/internal/cluster/existing"
	"seatrial.dev/seatrial/internal/cluster/kind"
	"seatrial.dev/seatrial/internal/console"
	"seatrial.dev/seatrial/internal/docker"
	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/sandbox"
)

// The tiers, and where sources come from.
const (
	tierEmbedded    = "embedded"
	tierKind        = "kind"
	tierExisting    = "existing"
	sourcesStandIn  = "stand-in"
	sourcesUpstream = "upstream"
)

// tierFlags are what a cluster is made from.
type tierFlags struct {
	globalNamespace string
	docker          string
	nodeImage       string
	kindConfig      string
	mirrors         []string
	load            bool
	loadMore        []string
	kubeconfig      string
	kubeContext     string
	server          string
	run             string
	images          existing.Images
	flags           *pflag.FlagSet
}

func (t *tierFlags) register(f *pflag.FlagSet) {
	t.images, t.flags = existing.Default(), f
	f.StringVar(&t.globalNamespace, "packaging-global-namespace", "tkg-system", "namespace whose Carvel packages all namespaces see")
	f.StringVar(&t.docker, "docker", "", "kind: Docker endpoint (default: $DOCKER_HOST, or docker's own)")
	f.StringVar(&t.nodeImage, "node-image", kind.NodeImage, "kind: node image")
	f.StringVar(&t.kindConfig, "kind-config", "", "kind: file with a kind configuration to build on")
	f.StringArrayVar(&t.mirrors, "registry-mirror", nil, "kind: where nodes look for a registry's images first, as docker.io=https://mirror.example.com; may be repeated")
	f.BoolVar(&t.load, "load", true, "kind: give the nodes what the Docker engine has of the rehearsal's images, instead of having them pulled")
	f.StringArrayVar(&t.loadMore, "load-image", nil, "kind: another image of the Docker engine that the nodes get, of the repo's own; may be repeated")
	f.StringVar(&t.kubeconfig, "kubeconfig", "", "existing: file that leads to the cluster (default: none, so that no cluster is met by mistake)")
	f.StringVar(&t.kubeContext, "context", "", "existing: context of the kubeconfig (default: its current one)")
	f.StringVar(&t.server, "server", "", "existing: address of the API server, if it is not reached by the kubeconfig's")
	f.StringVar(&t.run, "run", "", "kind, existing: name of this rehearsal, which is part of its cluster's name (default: a random one)")
	f.StringVar(&t.images.Prefix, "registry-prefix", "", "kind, existing: registry that proxies all others, as harbor.example.com/proxy")
	f.StringVar(&t.images.Gitea, "gitea-image", t.images.Gitea, "kind, existing: image of the Gitea that holds the rehearsed tree")
	f.StringVar(&t.images.Flux, "flux-image", t.images.Flux, "kind, existing: image of the flux command; its version is the version of Flux")
	f.StringVar(&t.images.KappController, "kapp-controller-image", t.images.KappController, "kind, existing: image for the built-in kapp-controller manifest, where there is no kapp-controller (default: upstream's release)")
	f.StringVar(&t.images.Pod, "pod-image", t.images.Pod, "kind, existing: image that the pods of stand-ins run; needs sh")
}

// files are those that the flags name.
func (t *tierFlags) files() []string { return []string{t.kindConfig, t.kubeconfig} }

func (t *tierFlags) validate(tier, sources string) error {
	switch tier {
	case tierEmbedded, tierKind:
	case tierExisting:
		if t.kubeconfig == "" {
			return &console.Hinted{Err: errors.New("--cluster existing needs --kubeconfig"), Hint: "give the kubeconfig of a scratch cluster: a vcluster, k3d, or a spare workload cluster"}
		}
	default:
		return &console.Hinted{Err: fmt.Errorf("unknown cluster %q", tier), Hint: "use --cluster embedded, kind or existing"}
	}
	switch {
	case sources != sourcesStandIn && sources != sourcesUpstream:
		return &console.Hinted{Err: fmt.Errorf("unknown sources %q", sources), Hint: "use --sources stand-in or upstream"}
	case sources == sourcesUpstream && tier == tierEmbedded:
		return &console.Hinted{Err: errors.New("--cluster embedded reaches no network, so --sources upstream can't be fetched"), Hint: "use --cluster kind"}
	}
	for _, file := range t.files() {
		if file == "" {
			continue
		}
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			return fmt.Errorf("%s is not a file", file)
		}
	}
	var odd error
	t.flags.Visit(func(f *pflag.Flag) {
		tiers, _, tied := strings.Cut(f.Usage, ": ")
		if tied && (strings.HasPrefix(tiers, tierKind) || strings.HasPrefix(tiers, tierExisting)) && !slices.Contains(strings.Split(tiers, ", "), tier) && f.Name != "run" {
			odd = &console.Hinted{Err: fmt.Errorf("--%s has no effect with --cluster %s", f.Name, tier), Hint: "it is for --cluster " + strings.ReplaceAll(tiers, ", ", " or ")}
		}
	})
	if odd != nil {
		return odd
	}
	if !runName.MatchString(t.run) {
		return fmt.Errorf("--run %q: want up to 20 lower-case letters, digits and dashes", t.run)
	}
	_, err := t.mirrorMap()
	return err
}

var runName = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?)?$`)

func (t *tierFlags) mirrorMap() (map[string]string, error) {
	out := map[string]string{}
	for _, m := range t.mirrors {
		registry, address, ok := strings.Cut(m, "=")
		u, err := url.Parse(address)
		if !ok || registry == "" || strings.ContainsAny(registry, "/ ") || err != nil || u.Scheme == "" || u.Hostname() == "" {
			return nil, &console.Hinted{Err: fmt.Errorf("--registry-mirror %q: want REGISTRY=URL", m), Hint: "for example docker.io=https://mirror.example.com"}
		}
		out[registry] = address
	}
	return out, nil
}

// provider makes the tier's cluster and names the versions of its parts.
func (v *verify) provider(box *sandbox.Sandbox, families map[string]string) (cluster.Provider, map[string]string, error) {
	t := &v.tiers
	if v.cluster == tierEmbedded {
		built := engine.At(families)
		if box.Entered() {
			built = built.Moved(engineRoot)
		}
		versions, err := engine.Versions()
		if err != nil {
			return nil, nil, err
		}
		return embedded.New(embedded.Options{Engine: built, Sandbox: box, PackagingGlobalNamespace: t.globalNamespace}), versions, nil
	}
	if t.run == "" {
		b := make([]byte, 4)
		if _, err := rand.Read(b); err != nil {
			return nil, nil, err
		}
		t.run = hex.EncodeToString(b)
	}
	o := existing.Options{
		Images: t.images, PackagingGlobalNamespace: t.globalNamespace, Run: t.run,
		StandIns: v.sources == sourcesStandIn, Note: v.console.Note,
		Progress: &cluster.Phases{Step: v.console.Step},
	}
	versions := map[string]string{"flux": t.images.FluxVersion(), "kapp-controller": t.images.KappControllerVersion(), "gitea": t.images.GiteaVersion()}
	if v.cluster == tierKind {
		mirrors, err := t.mirrorMap()
		if err != nil {
			return nil, nil, err
		}
		var config []byte
		if t.kindConfig != "" {
			if config, err = os.ReadFile(t.kindConfig); err != nil {
				return nil, nil, err
			}
		}
		images := t.loadMore
		if t.load {
			images = append(t.images.All(), images...)
		}
		versions["node"] = t.nodeImage
		return kind.New(kind.Options{
			Options: o, Docker: docker.Client{Host: t.docker}, NodeImage: t.nodeImage, Config: config,
			Mirrors: mirrors, Load: images, State: box.Dir,
		}), versions, nil
	}
	var err error
	if o.Kubeconfig, err = os.ReadFile(t.kubeconfig); err != nil {
		return nil, nil, err
	}
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: t.kubeconfig}
	overrides := &clientcmd.ConfigOverrides{CurrentContext: t.kubeContext, ClusterInfo: clientcmdapi.Cluster{Server: t.server}}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, nil, fmt.Errorf("--kubeconfig %s: %w", t.kubeconfig, err)
	}
	p, err := existing.New(config, o)
	return p, versions, err
}

// explained adds to an error what to do about it.
func (v *verify) explained(err error) error {
	var refusal *existing.Refusal
	if errors.As(err, &refusal) {
		return &console.Hinted{Err: refusal, Hint: refusal.Hint}
	}
	return err
}
