// Package cluster is the interface between a rehearsal and the Kubernetes cluster that
// it runs on. Everything after Up is the same code on every tier.
package cluster

import (
	"context"
	_ "embed"
	"net/http"

	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/standin"
	"seatrial.dev/seatrial/internal/verdict"
)

// FallbackKey is the Secret in Flux's namespace with the key of layers that decrypt and name no Secret, where the
// cluster is told of it.
const FallbackKey = "seatrial-sops-age"

// SecretgenKinds are secretgen-controller's CRDs, for clusters that lack them.
//
//go:embed secretgen.yaml
var SecretgenKinds []byte

// GlobalNamespace is the packaging global namespace of a Tanzu cluster: all namespaces see
// its packages.
const GlobalNamespace = "tkg-system"

// Provider brings a cluster with Flux's and kapp-controller's APIs and
// controllers up, and takes it down again.
type Provider interface {
	// Tier is the provider's name in reports: embedded, kind or existing.
	Tier() string
	// Up starts the cluster and returns when its API serves and its controllers
	// are running. An error leaves nothing running. planned are the objects that
	// the repo declares: a cluster that is not the rehearsal's own looks whether
	// it has any of them.
	Up(ctx context.Context, planned []Object) error
	// Phases are the seconds that the parts of the cluster took to come up, by name; may be nil.
	Phases() map[string]float64
	// Client is the administrator's connection; nil before Up.
	Client() *kube.Client
	// Publish lets the cluster's controllers clone the tree.
	Publish(ctx context.Context, s *gitrepo.Snapshot) (Remote, error)
	// Shelf is where stand-ins are put for the cluster's controllers to fetch.
	Shelf(ctx context.Context) (standin.Shelf, error)
	// Labels are put on everything that a rehearsal makes by itself; may be nil.
	Labels() map[string]string
	// Redirects says whether the API server can rewrite objects at admission, as
	// redirection needs.
	Redirects() bool
	// Bootstrap has Flux sync what was published, once everything else is in
	// place. It returns the snapshot that Flux reconciles, and where that differs
	// from what was published.
	Bootstrap(ctx context.Context, s Sync) (*gitrepo.Snapshot, []gitrepo.Change, error)
	// Patience is how long this tier's controllers may be silent.
	Patience() verdict.Patience
	// Failed gets an error when a part of the cluster breaks.
	Failed() <-chan error
	// Diagnose calls put with files that help to find out why objects failed, by name:
	// logs, and what the tier knows of the failed objects.
	Diagnose(ctx context.Context, put func(name string, text []byte) error, failed []Object) error
	// BlindSpots say what this tier can't see in any repo.
	BlindSpots() []finding.BlindSpot
	// Keep lets the cluster outlive the rehearsal: Down then leaves it alone,
	// unless it consists of this command's own processes. After an error, Down
	// ends it as ever.
	Keep(ctx context.Context) (Kept, error)
	// Down ends the cluster, or removes the rehearsal from it. It is safe to call it
	// twice, or without Up.
	Down() error
}

// Staged is a Provider that is brought up in stages, so that what does not depend on each
// other is done at the same time.
type Staged interface {
	Provider
	// Begin starts what takes long and has nothing to do with the repo, and returns at
	// once. Up waits for it, and gets its error; Down ends it.
	Begin(ctx context.Context)
	// Complete returns when all controllers are running, or with why one is not. Up has
	// returned when their kinds were served, and its context ends this wait, too.
	Complete(ctx context.Context) error
}

// Doored is a Provider whose controllers reach the outside through a door, where each request
// is answered by its own address.
type Doored interface {
	Provider
	// Door is nil before Up.
	Door() *egress.Door
	// Tree serves what was published below any address: by Git's protocol, and as an OCI artifact.
	Tree() http.Handler
}

// Kept says how the user reaches and ends a cluster that outlives its rehearsal.
type Kept struct {
	// Name is what the cluster is ended by; empty if it is the user's own, or Ours.
	Name string
	// Kubeconfig is an administrator's, for use outside; nil if the user has one.
	Kubeconfig []byte
	// Hints tell the user what can be done with it.
	Hints []string
	// Ours says that the cluster is made of this command's own processes, and
	// ends with them.
	Ours bool
}

// Remote is a published tree, as the cluster's controllers see it.
type Remote struct {
	URL string
	// Secret in Flux's namespace that holds the credentials; empty if none are needed.
	Secret string
}

// Sync says what Flux is bootstrapped with.
type Sync struct {
	Remote
	Snapshot *gitrepo.Snapshot
	// Path of the cluster's folder in the tree, with slashes.
	Path string
	// Root is the Kustomization over that folder, and Source what it and other layers take the tree from.
	Root   gitops.Ref
	Source gitops.SourceRef
	// Spec is that of Root, if the repo declares it as it is applied at first; nil: as flux bootstrap makes it.
	Spec map[string]any
	// Artifact is true if the repo's layers take it as an OCI artifact.
	Artifact bool
	// DecryptionSecret has the keys of the root layer; empty if it does not decrypt.
	DecryptionSecret string
}

// Object names an object of the cluster.
type Object struct {
	Group, Version, Kind, Namespace, Name string
}

// APIVersion is group/version, or the version alone.
func (o Object) APIVersion() string {
	if o.Group == "" {
		return o.Version
	}
	return o.Group + "/" + o.Version
}

// String is Kind namespace/name, or Kind name.
func (o Object) String() string {
	if o.Namespace == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}
