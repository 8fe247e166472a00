package cli

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/cluster/embedded"
	"seatrial.dev/seatrial/internal/cluster/existing"
	"seatrial.dev/seatrial/internal/cluster/kind"
	"seatrial.dev/seatrial/internal/docker"
	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/engine"
	"seatrial.dev/seatrial/internal/sandbox"
)

// provider makes the tier's cluster and names the versions of its parts. podSecurity is the level
// that the embedded tier enforces where a namespace has no label; empty for Kubernetes's own.
func (v *verify) provider(box *sandbox.Sandbox, families map[string]string, podSecurity string) (cluster.Provider, map[string]string, error) {
	t := &v.tiers
	if t.is(tierEmbedded) {
		versions, err := engine.Versions()
		if err != nil {
			return nil, nil, err
		}
		return embedded.New(embedded.Options{Engine: engineIn(box, families), Sandbox: box, PackagingGlobalNamespace: t.globalNamespace, PodSecurity: podSecurity}), versions, nil
	}
	if t.run == "" {
		b := make([]byte, 4)
		if _, err := rand.Read(b); err != nil {
			return nil, nil, err
		}
		t.run = runName(hex.EncodeToString(b))
	}
	o := existing.Options{
		Images: t.images, PackagingGlobalNamespace: t.globalNamespace, Run: string(t.run),
		StandIns: t.mode() != egress.Live, Note: v.console.Note,
		Progress: &cluster.Phases{Step: v.console.Step},
	}
	versions := map[string]string{"flux": t.images.FluxVersion(), "kapp-controller": t.images.KappControllerVersion(), "gitea": t.images.GiteaVersion()}
	if t.is(tierKind) {
		var config []byte
		var err error
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
			Mirrors: t.mirrors, Load: images, State: box.Dir,
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
