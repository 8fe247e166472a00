// Package cluster is the seam between a rehearsal and the Kubernetes it runs on.
// Everything after Up is the same code on every tier.
package cluster

import (
	"context"
	"net/http"

	"seatrial.dev/seatrial/internal/kube"
)

// Provider brings a cluster with Flux's and kapp-controller's APIs and
// controllers up, and takes it down again.
type Provider interface {
	// Tier is the provider's name in reports: embedded, kind or existing.
	Tier() string
	// Up starts the cluster and returns when its API serves and its controllers
	// are running. An error leaves nothing running.
	Up(ctx context.Context) error
	// Client is the administrator's connection; nil before Up.
	Client() *kube.Client
	// Kubeconfig is an administrator's kubeconfig for use outside, or an error
	// if the cluster can't be reached from there.
	Kubeconfig() ([]byte, error)
	// Serve makes h reachable for the cluster's controllers and returns its URL as they see it.
	Serve(h http.Handler) (url string, err error)
	// Failed gets an error when a part of the cluster breaks.
	Failed() <-chan error
	// Logs are the controllers' log files by name.
	Logs() map[string]string
	// BlindSpots say what this tier can't see in any repo.
	BlindSpots() []string
	// Down ends it all.
	Down() error
}
