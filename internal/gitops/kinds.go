package gitops

import "k8s.io/apimachinery/pkg/runtime/schema"

// The kinds of layers, of their sources, and of releases and packages.
var (
	KustomizationKind     = schema.GroupKind{Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization"} // Flux's, not kustomize's file
	GitRepositoryKind     = schema.GroupKind{Group: SourceGroup, Kind: "GitRepository"}
	HelmRepositoryKind    = schema.GroupKind{Group: SourceGroup, Kind: "HelmRepository"}
	OCIRepositoryKind     = schema.GroupKind{Group: SourceGroup, Kind: "OCIRepository"}
	BucketKind            = schema.GroupKind{Group: SourceGroup, Kind: "Bucket"}
	HelmChartKind         = schema.GroupKind{Group: SourceGroup, Kind: "HelmChart"}
	HelmReleaseKind       = schema.GroupKind{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease"}
	ExternalArtifactKind  = schema.GroupKind{Group: SourceGroup, Kind: "ExternalArtifact"}
	ArtifactGeneratorKind = schema.GroupKind{Group: "source.extensions.fluxcd.io", Kind: "ArtifactGenerator"} // makes ExternalArtifacts of other sources
	PackageRepositoryKind = schema.GroupKind{Group: "packaging.carvel.dev", Kind: "PackageRepository"}
	PackageInstallKind    = schema.GroupKind{Group: "packaging.carvel.dev", Kind: "PackageInstall"}
	AppKind               = schema.GroupKind{Group: "kappctrl.k14s.io", Kind: "App"}
)
