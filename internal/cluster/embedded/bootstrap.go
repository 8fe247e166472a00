package embedded

import (
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"seatrial.dev/seatrial/internal/artifact"
	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/standin"
	"seatrial.dev/seatrial/internal/verdict"
)

// Publish implements cluster.Provider: this process serves the tree.
func (c *Cluster) Publish(_ context.Context, s *gitrepo.Snapshot) (cluster.Remote, error) {
	mux := http.NewServeMux()
	mux.Handle("/v2/", registry.New(registry.Logger(log.New(io.Discard, "", 0)))) // for Bootstrap
	mux.Handle("/", s.Handler())
	c.tree = mux
	url, err := c.ServeGit(mux)
	return cluster.Remote{URL: url + "/repo.git"}, err
}

// Tree implements cluster.Doored: the one tree is behind whatever name, tag or branch it is asked by.
func (c *Cluster) Tree() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch rest := r.URL.Path; {
		case rest == "": // a registry is asked whether it is one
			r.URL.Path = "/v2/"
		case strings.HasPrefix(rest, "/manifests/") && !strings.HasPrefix(rest, "/manifests/sha256:"):
			r.URL.Path = "/v2/repo/manifests/" + gitrepo.Branch
		case strings.HasPrefix(rest, "/manifests/"), strings.HasPrefix(rest, "/blobs/"), strings.HasPrefix(rest, "/tags/"), strings.HasPrefix(rest, "/referrers/"):
			r.URL.Path = "/v2/repo" + rest
		default:
			r.URL.Path = "/repo.git" + rest
		}
		c.tree.ServeHTTP(w, r)
	})
}

// ServeGit serves Git repositories where source-controller may fetch them, and returns the URL.
func (c *Cluster) ServeGit(h http.Handler) (string, error) { return c.serve(h, c.ports.git) }

// Shelf implements cluster.Provider: stand-ins are behind the door.
func (c *Cluster) Shelf(context.Context) (standin.Shelf, error) { return c.door.Shelf(), nil }

// Bootstrap implements cluster.Provider: it applies the GitRepository and the root
// Kustomization, as flux bootstrap does in the end.
func (c *Cluster) Bootstrap(ctx context.Context, s cluster.Sync) (*gitrepo.Snapshot, []gitrepo.Change, error) {
	root, source := s.Root, s.Source
	spec := map[string]any{"interval": "10m", "prune": true, "path": "./" + s.Path}
	maps.Copy(spec, s.Spec)
	if s.DecryptionSecret != "" {
		spec["decryption"] = map[string]any{"provider": "sops", "secretRef": map[string]any{"name": s.DecryptionSecret}}
	}
	snapshot := s.Snapshot
	if s.Artifact {
		var err error
		if snapshot, err = c.pushArtifact(ctx, s); err != nil {
			return nil, nil, err
		}
		if source.Kind != gitops.RootArtifact.Kind {
			source = gitops.RootArtifact
		}
	}
	spec["sourceRef"] = map[string]any{"kind": source.Kind, "namespace": source.Namespace, "name": source.Name}
	git := s.Source
	git.Kind = gitops.RootSource.Kind // beside an artifact, as bootstrap leaves it
	return snapshot, nil, c.client.Apply(ctx,
		kube.Object("source.toolkit.fluxcd.io/v1", git.Kind, git.Namespace, git.Name, map[string]any{
			"spec": map[string]any{"interval": "10m", "url": s.URL, "ref": map[string]any{"branch": gitrepo.Branch}},
		}),
		kube.Object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", root.Namespace, root.Name, map[string]any{"spec": spec}))
}

// pushArtifact has the tree served as an OCI artifact as well, for a repo whose layers take it so. It
// returns the snapshot with the artifact's digest.
func (c *Cluster) pushArtifact(ctx context.Context, s cluster.Sync) (*gitrepo.Snapshot, error) {
	dir := c.path("tree") // where git's cell may write; its files may have been re-keyed since they were read
	if err := s.Snapshot.Export(ctx, dir); err != nil {
		return nil, err
	}
	image, err := artifact.Make(os.DirFS(dir), nil)
	if err != nil {
		return nil, err
	}
	digest, err := image.Digest()
	if err != nil {
		return nil, err
	}
	host := fmt.Sprintf("127.0.0.1:%d", c.ports.git)
	tag, err := name.NewTag(host+"/repo:"+gitrepo.Branch, name.Insecure)
	if err != nil {
		return nil, err
	}
	if err := remote.Write(tag, image, remote.WithContext(ctx)); err != nil {
		return nil, fmt.Errorf("publish the artifact: %w", err)
	}
	root, next := gitops.RootArtifact, *s.Snapshot
	if s.Source.Kind == root.Kind {
		root = s.Source
	}
	next.Artifact = digest.String()
	return &next, c.client.Apply(ctx, kube.Object("source.toolkit.fluxcd.io/v1", root.Kind, root.Namespace, root.Name, map[string]any{
		"spec": map[string]any{"interval": "10m", "url": "oci://" + host + "/repo", "insecure": true, "ref": map[string]any{"tag": gitrepo.Branch}},
	}))
}

// Phases implements cluster.Provider.
func (c *Cluster) Phases() map[string]float64 { return c.parts.Seconds() }

// Labels implements cluster.Provider: there are none, as nothing outlives the cluster.
func (c *Cluster) Labels() map[string]string { return nil }

// Redirects implements cluster.Provider.
func (c *Cluster) Redirects() bool { return true }

// Patience implements cluster.Provider: where pods are simulated, the short default is enough.
func (c *Cluster) Patience() verdict.Patience { return verdict.DefaultPatience }

// Diagnose implements cluster.Provider: it passes on the log of each program, and what met webhooks.
func (c *Cluster) Diagnose(_ context.Context, put func(string, []byte) error, _ []cluster.Object) error {
	for name, log := range c.group.Logs() {
		b, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		if err := put(name+".log", b); err != nil {
			return err
		}
	}
	return c.diagnoseWebhooks(put)
}

var (
	_ cluster.Staged = (*Cluster)(nil)
	_ cluster.Doored = (*Cluster)(nil)
)
