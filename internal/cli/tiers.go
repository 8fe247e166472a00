package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/cluster/existing"
	"seatrial.dev/seatrial/internal/cluster/kind"
	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/hint"
)

// The tiers.
const (
	tierEmbedded = "embedded"
	tierKind     = "kind"
	tierExisting = "existing"
)

// tierFlags are the flags that choose a tier and configure its cluster.
type tierFlags struct {
	tier            choice
	sources         choice
	vendorDir       string
	fills           bool // the vendor folder is filled, and need not be there
	globalNamespace string
	docker          string
	nodeImage       string
	kindConfig      string
	mirrors         mirrors
	load            bool
	loadMore        []string
	kubeconfig      string
	kubeContext     string
	server          string
	run             runName
	images          existing.Images
	flags           *pflag.FlagSet
}

// ofTiers is the annotation that lists the tiers on which a flag has an effect.
const ofTiers = "seatrial-tiers"

func (t *tierFlags) register(f *pflag.FlagSet) {
	t.tier, t.sources = newChoice(tierEmbedded, tierKind, tierExisting), newChoice(egress.Modes()...)
	t.images, t.flags = existing.Default(), f
	f.Var(&t.tier, "cluster", "where to rehearse")
	f.Var(&t.sources, "sources", "where charts, packages and other repositories come from. auto: where they are if that answers, else the cache, else stand-ins (kind, existing: stand-ins for known ones); cached: what was fetched before; stand-in: stand-ins only; live: where they are, or not at all")
	f.StringVar(&t.vendorDir, "vendor-dir", "", "folder of sources that are used before all others, as seatrial sources pull --vendor-dir fills it")
	t.tie([]string{"vendor-dir"}, tierEmbedded)
	f.StringVar(&t.globalNamespace, "packaging-global-namespace", cluster.GlobalNamespace, "namespace whose Carvel packages all namespaces see, over what the repo declares")
	f.Var(&t.run, "run", "name of this rehearsal, which is part of its cluster's name where it makes one (default: a random one)")

	f.StringVar(&t.docker, "docker", "", "Docker endpoint (default: $DOCKER_HOST, or docker's own)")
	f.StringVar(&t.nodeImage, "node-image", kind.NodeImage, "node image")
	f.StringVar(&t.kindConfig, "kind-config", "", "file with a kind configuration to build on")
	f.Var(&t.mirrors, "registry-mirror", "where nodes look for a registry's images first, as docker.io=https://mirror.example.com; may be repeated")
	f.BoolVar(&t.load, "load", true, "give the nodes what the Docker engine has of the rehearsal's images, instead of having them pulled")
	f.StringArrayVar(&t.loadMore, "load-image", nil, "another image of the Docker engine that the nodes get, of the repo's own; may be repeated")
	t.tie([]string{"docker", "node-image", "kind-config", "registry-mirror", "load", "load-image"}, tierKind)

	f.StringVar(&t.kubeconfig, "kubeconfig", "", "file that leads to the cluster (default: none, so that no cluster is met by mistake)")
	f.StringVar(&t.kubeContext, "context", "", "context of the kubeconfig (default: its current one)")
	f.StringVar(&t.server, "server", "", "address of the API server, if it is not reached by the kubeconfig's")
	t.tie([]string{"kubeconfig", "context", "server"}, tierExisting)

	f.StringVar(&t.images.Prefix, "registry-prefix", "", "registry that proxies all others, as harbor.example.com/proxy")
	f.StringVar(&t.images.Gitea, "gitea-image", t.images.Gitea, "image of the Gitea that holds the rehearsed tree")
	f.StringVar(&t.images.Flux, "flux-image", t.images.Flux, "image of the flux command; its version is the version of Flux")
	f.StringVar(&t.images.KappController, "kapp-controller-image", t.images.KappController, "image for the built-in kapp-controller manifest, where there is no kapp-controller (default: upstream's release)")
	f.StringVar(&t.images.Pod, "pod-image", t.images.Pod, "image that the pods of stand-ins run; needs sh")
	t.tie([]string{"registry-prefix", "gitea-image", "flux-image", "kapp-controller-image", "pod-image"}, tierKind, tierExisting)
}

// tie marks flags as having an effect on some tiers only: their help says so, and
// validate refuses them on other tiers.
func (t *tierFlags) tie(names []string, tiers ...string) {
	for _, name := range names {
		f := t.flags.Lookup(name)
		f.Usage = strings.Join(tiers, ", ") + ": " + f.Usage
		f.Annotations = map[string][]string{ofTiers: tiers}
	}
}

// is says whether the rehearsal is on a tier.
func (t *tierFlags) is(tier string) bool { return t.tier.value == tier }

// mode is where sources come from.
func (t *tierFlags) mode() egress.Mode { return egress.Mode(t.sources.value) }

// files returns the files that flags name; a name may be empty.
func (t *tierFlags) files() []string { return []string{t.kindConfig, t.kubeconfig} }

// validate refuses flags that do not go together, and files that are not there.
func (t *tierFlags) validate() error {
	if t.is(tierExisting) && t.kubeconfig == "" {
		return hint.New("--cluster existing needs --kubeconfig", "give the kubeconfig of a scratch cluster: a vcluster, k3d, or a spare workload cluster")
	}
	if !t.is(tierEmbedded) && t.mode() == egress.Cached {
		return hint.New("--cluster "+t.tier.value+" fetches sources itself, past the cache", "use --sources stand-in or live, or --cluster embedded")
	}
	if t.vendorDir != "" && !t.fills {
		if info, err := os.Stat(t.vendorDir); err != nil || !info.IsDir() {
			return hint.New("--vendor-dir: "+t.vendorDir+" is not a folder", "fill one with: seatrial sources pull --vendor-dir "+t.vendorDir)
		}
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
		if tiers := f.Annotations[ofTiers]; tiers != nil && !slices.Contains(tiers, t.tier.value) {
			odd = hint.New(fmt.Sprintf("--%s has no effect with --cluster %s", f.Name, t.tier.value), "it is for --cluster "+strings.Join(tiers, " or "))
		}
	})
	return odd
}
