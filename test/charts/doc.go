// Package charts holds the stand-ins of the catalogue against the real charts. Its test
// renders every release of the full blueprint twice, with the real chart and with its
// stand-in, and compares what a rehearsal tells from them: workloads, Services and their
// ports, Secrets read, images, CRDs, Jobs, NetworkPolicies, claims, and the Pod Security
// level that the pods need.
//
// It runs where the charts are at hand: SEATRIAL_CHARTS is a folder with a folder or an
// archive for each chart, or "live", for the charts' own repositories. See
// docs/adding-a-service.md.
package charts
