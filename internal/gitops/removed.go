package gitops

// removed are apiVersions that Kubernetes 1.36 or Flux 2.9 no longer serve, with what
// to do instead. An empty kind stands for all kinds of the apiVersion.
var removed = []struct{ apiVersion, kind, fix string }{
	{"extensions/v1beta1", "Ingress", "use networking.k8s.io/v1 (gone since Kubernetes 1.22)"},
	{"extensions/v1beta1", "", "use apps/v1 or networking.k8s.io/v1 (gone since Kubernetes 1.16)"},
	{"apps/v1beta1", "", "use apps/v1 (gone since Kubernetes 1.16)"},
	{"apps/v1beta2", "", "use apps/v1 (gone since Kubernetes 1.16)"},
	{"networking.k8s.io/v1beta1", "", "use networking.k8s.io/v1 (gone since Kubernetes 1.22)"},
	{"rbac.authorization.k8s.io/v1beta1", "", "use rbac.authorization.k8s.io/v1 (gone since Kubernetes 1.22)"},
	{"rbac.authorization.k8s.io/v1alpha1", "", "use rbac.authorization.k8s.io/v1 (gone since Kubernetes 1.22)"},
	{"apiextensions.k8s.io/v1beta1", "", "use apiextensions.k8s.io/v1 (gone since Kubernetes 1.22)"},
	{"admissionregistration.k8s.io/v1beta1", "ValidatingWebhookConfiguration", "use admissionregistration.k8s.io/v1 (gone since Kubernetes 1.22)"},
	{"admissionregistration.k8s.io/v1beta1", "MutatingWebhookConfiguration", "use admissionregistration.k8s.io/v1 (gone since Kubernetes 1.22)"},
	{"certificates.k8s.io/v1beta1", "CertificateSigningRequest", "use certificates.k8s.io/v1 (gone since Kubernetes 1.22)"},
	{"coordination.k8s.io/v1beta1", "Lease", "use coordination.k8s.io/v1 (gone since Kubernetes 1.22)"},
	{"scheduling.k8s.io/v1beta1", "", "use scheduling.k8s.io/v1 (gone since Kubernetes 1.22)"},
	{"storage.k8s.io/v1beta1", "StorageClass", "use storage.k8s.io/v1 (gone since Kubernetes 1.22)"},
	{"storage.k8s.io/v1beta1", "CSIStorageCapacity", "use storage.k8s.io/v1 (gone since Kubernetes 1.27)"},
	{"batch/v1beta1", "CronJob", "use batch/v1 (gone since Kubernetes 1.25)"},
	{"discovery.k8s.io/v1beta1", "EndpointSlice", "use discovery.k8s.io/v1 (gone since Kubernetes 1.25)"},
	{"events.k8s.io/v1beta1", "Event", "use events.k8s.io/v1 (gone since Kubernetes 1.25)"},
	{"autoscaling/v2beta1", "HorizontalPodAutoscaler", "use autoscaling/v2 (gone since Kubernetes 1.25)"},
	{"autoscaling/v2beta2", "HorizontalPodAutoscaler", "use autoscaling/v2 (gone since Kubernetes 1.26)"},
	{"policy/v1beta1", "PodDisruptionBudget", "use policy/v1 (gone since Kubernetes 1.25)"},
	{"policy/v1beta1", "PodSecurityPolicy", "use Pod Security admission labels (gone since Kubernetes 1.25)"},
	{"node.k8s.io/v1beta1", "RuntimeClass", "use node.k8s.io/v1 (gone since Kubernetes 1.25)"},
	{"flowcontrol.apiserver.k8s.io/v1beta1", "", "use flowcontrol.apiserver.k8s.io/v1 (gone since Kubernetes 1.26)"},
	{"flowcontrol.apiserver.k8s.io/v1beta2", "", "use flowcontrol.apiserver.k8s.io/v1 (gone since Kubernetes 1.29)"},
	{"flowcontrol.apiserver.k8s.io/v1beta3", "", "use flowcontrol.apiserver.k8s.io/v1 (gone since Kubernetes 1.32)"},
	{"kustomize.toolkit.fluxcd.io/v1beta1", "", "use kustomize.toolkit.fluxcd.io/v1 (gone since Flux 2.7)"},
	{"kustomize.toolkit.fluxcd.io/v1beta2", "", "use kustomize.toolkit.fluxcd.io/v1 (gone since Flux 2.8)"},
	{"source.toolkit.fluxcd.io/v1beta1", "", "use source.toolkit.fluxcd.io/v1 (gone since Flux 2.7)"},
	{"source.toolkit.fluxcd.io/v1beta2", "", "use source.toolkit.fluxcd.io/v1 (gone since Flux 2.8)"},
	{"helm.toolkit.fluxcd.io/v2beta1", "", "use helm.toolkit.fluxcd.io/v2 (gone since Flux 2.7)"},
	{"helm.toolkit.fluxcd.io/v2beta2", "", "use helm.toolkit.fluxcd.io/v2 (gone since Flux 2.8)"},
}

// Removed returns what to use instead of an apiVersion that is no longer served; gone
// is false for all others.
func Removed(apiVersion, kind string) (fix string, gone bool) {
	for _, r := range removed {
		if r.apiVersion == apiVersion && (r.kind == kind || r.kind == "") {
			return r.fix, true
		}
	}
	return "", false
}
