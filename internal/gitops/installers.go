package gitops

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// installers are the charts and packages that install the CRDs of API groups. A package
// goes by the first part of its name: cert-manager for cert-manager.tanzu.vmware.com.
var installers = []struct {
	groups []string // a group, or the end of one
	names  []string
}{
	{[]string{"cert-manager.io"}, []string{"cert-manager"}},
	{[]string{"projectcontour.io"}, []string{"contour"}},
	{[]string{"monitoring.coreos.com"}, []string{"kube-prometheus-stack", "prometheus-operator-crds", "prometheus-operator", "prometheus"}},
	{[]string{"external-secrets.io"}, []string{"external-secrets"}},
	{[]string{"secretgen.carvel.dev", "secretgen.k14s.io"}, []string{"secretgen-controller"}},
	{[]string{"traefik.io", "traefik.containo.us"}, []string{"traefik"}},
	{[]string{"bitnami.com"}, []string{"sealed-secrets"}},
	{[]string{"kyverno.io"}, []string{"kyverno"}},
	{[]string{"istio.io"}, []string{"base", "istio-base", "istiod"}},
	{[]string{"velero.io"}, []string{"velero"}},
	{[]string{"metallb.io"}, []string{"metallb"}},
	{[]string{"longhorn.io"}, []string{"longhorn"}},
	{[]string{"postgresql.cnpg.io"}, []string{"cloudnative-pg"}},
	{[]string{"min.io"}, []string{"operator"}},
	{[]string{"argoproj.io"}, []string{"argo-cd", "argo-rollouts", "argo-workflows"}},
	{[]string{"keda.sh"}, []string{"keda"}},
	{[]string{"grafana.integreatly.org"}, []string{"grafana-operator"}},
	{[]string{"secrets.hashicorp.com"}, []string{"vault-secrets-operator"}},
}

// Installer returns the release or package of a layer that installs the CRDs of
// an API group, or nil.
func (l *Layer) Installer(group string) *Object {
	for _, o := range l.Objects {
		name := installs(o.Unstructured)
		if name == "" {
			continue
		}
		for _, p := range installers {
			for _, g := range p.groups {
				if group != g && !strings.HasSuffix(group, "."+g) {
					continue
				}
				for _, n := range p.names {
					if n == name {
						return o
					}
				}
			}
		}
	}
	return nil
}

// DefinesGroup says whether a layer applies a CRD of an API group itself.
func (l *Layer) DefinesGroup(group string) bool {
	for _, o := range l.Objects {
		if o.GetKind() != "CustomResourceDefinition" {
			continue
		}
		if g, _, _ := unstructured.NestedString(o.Object, "spec", "group"); g == group {
			return true
		}
	}
	return false
}
