package cli

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"seatrial.dev/seatrial/internal/declaration"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/platform"
)

// declared leaves it to the repo what is taken for granted.
const declared = "declared"

// platformFlags say what the repo takes for granted of its cluster, over what it declares itself.
type platformFlags struct {
	podSecurity choice
	proxies     registryProxies
}

func (p *platformFlags) register(f *pflag.FlagSet) {
	p.podSecurity = newChoice(declared, "privileged", "baseline", "restricted")
	f.Var(&p.podSecurity, "pod-security", "Pod Security level that namespaces without a label enforce (declared: podSecurity of .seatrial.yaml, else restricted in a repo that was generated for tkg-2, else Kubernetes's own)")
	f.Var(&p.proxies, "registry-proxy", "what images of a registry have to be pulled through, as docker.io=harbor.example.com/proxy, or * for all others, over what the repo declares; may be repeated")
}

// platform returns what the tree's manifests say of its cluster, with what it declares over it, and the flags over that.
func (v *verify) platform(ctx context.Context, s *gitrepo.Snapshot, d declaration.Declaration) (platform.Platform, error) {
	files, err := s.Files(ctx, platform.File)
	if err != nil {
		return platform.Platform{}, err
	}
	p, err := platform.In(files, v.path)
	if err != nil {
		return p, hint.Wrap(err, "mend the file, or generate it again")
	}
	p = p.With(d.PodSecurity, d.PackagingGlobalNamespace)
	if v.declares.podSecurity.value != declared {
		p = p.With(v.declares.podSecurity.value, "")
	}
	if len(v.declares.proxies) > 0 && p.Proxies == nil {
		p.Proxies = map[string]string{}
	}
	maps.Copy(p.Proxies, v.declares.proxies)
	if !v.tiers.flags.Changed("packaging-global-namespace") && p.PackagingGlobalNamespace != "" {
		v.tiers.globalNamespace = p.PackagingGlobalNamespace
	}
	return p, nil
}

// notEnforced says what a tier that has its own Pod Security default can't show.
func notEnforced(p platform.Platform) []finding.BlindSpot {
	if p.PodSecurity == "" {
		return nil
	}
	return []finding.BlindSpot{finding.Unseen(finding.LevelUnenforced, "this cluster's own Pod Security default was in force, not %s: what the repo's workloads would be refused was looked up, pods that operators make were not", p.PodSecurity)}
}

// registryProxies maps a registry's host, or *, to the registry and project that its images are pulled through.
type registryProxies map[string]string

// String implements pflag.Value.
func (r *registryProxies) String() string {
	var out []string
	for _, host := range slices.Sorted(maps.Keys(*r)) {
		out = append(out, host+"="+(*r)[host])
	}
	return strings.Join(out, ", ")
}

// Type implements pflag.Value.
func (r *registryProxies) Type() string { return "registry=proxy" }

// Set implements pflag.Value.
func (r *registryProxies) Set(s string) error {
	host, proxy, ok := strings.Cut(s, "=")
	if !ok || host == "" || proxy == "" || strings.ContainsAny(host, "/ ") || strings.Contains(proxy, "://") || strings.HasSuffix(proxy, "/") {
		return errors.New("want REGISTRY=PROXY without https://, for example docker.io=harbor.example.com/proxy")
	}
	if host == "index.docker.io" || host == "registry-1.docker.io" {
		return errors.New("write docker.io: no image is named with " + host)
	}
	if *r == nil {
		*r = registryProxies{}
	}
	(*r)[host] = proxy
	return nil
}
