package kinds

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Each group of kinds.txt is one that a chart or platform brings, and each kind is told as shortly as it can be.
func TestTheTableOfKinds(t *testing.T) {
	all, err := readKinds(kindsFile)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for group, kinds := range all {
		if len(kinds) == 0 || len(Installers(group)) == 0 && Platform(group) == "" {
			t.Errorf("%s: no kinds, or nothing brings them", group)
		}
		if !slices.IsSortedFunc(kinds, func(a, b Kind) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%s: not sorted", group)
		}
		n += len(kinds)
		for _, k := range kinds {
			if k.Name[0] < 'A' || k.Name[0] > 'Z' || k.Plural != strings.ToLower(k.Plural) {
				t.Errorf("%s: %+v", group, k)
			}
		}
	}
	if n < 300 {
		t.Errorf("%d kinds", n)
	}
	for _, line := range strings.Split(kindsFile, "\n") {
		if words := strings.Fields(line); strings.HasPrefix(line, "  ") && len(words) > 1 && words[len(words)-1] == plural(words[0]) {
			t.Errorf("%q: says the plural that it has anyway", line)
		}
	}
	for _, wrong := range []string{"  Kind", "a.io b.io", "a.io\na.io", "a.io\n  A\n  A", "a.io\n  A cluster as more", "a.io\n  A as cluster"} {
		if _, err := readKinds(wrong); err == nil || !strings.HasPrefix(err.Error(), "kinds.txt:") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestDefinition(t *testing.T) {
	for _, c := range []struct {
		group, kind string
		namespaced  bool
		name        string
		want        bool // namespaced
	}{
		{"cert-manager.io", "ClusterIssuer", true, "clusterissuers.cert-manager.io", false},
		{"cert-manager.io", "Certificate", false, "certificates.cert-manager.io", true},
		{"external-secrets.io", "ClusterSecretStore", true, "clustersecretstores.external-secrets.io", false},
		{"gateway.networking.k8s.io", "GatewayClass", true, "gatewayclasses.gateway.networking.k8s.io", false},
		{"gateway.networking.k8s.io", "Gateway", true, "gateways.gateway.networking.k8s.io", true},
		{"cilium.io", "CiliumLoadBalancerIPPool", true, "ciliumloadbalancerippools.cilium.io", false},
		{"cilium.io", "CiliumBGPAdvertisement", true, "ciliumbgpadvertisements.cilium.io", false},
		{"snapshot.storage.k8s.io", "VolumeSnapshotClass", true, "volumesnapshotclasses.snapshot.storage.k8s.io", false},
		{"monitoring.coreos.com", "Prometheus", true, "prometheuses.monitoring.coreos.com", true},
		{"projectcontour.io", "HTTPProxy", true, "httpproxies.projectcontour.io", true},
		{"k8s.cni.cncf.io", "NetworkAttachmentDefinition", true, "network-attachment-definitions.k8s.cni.cncf.io", true},
		{"kyverno.io", "ClusterPolicy", true, "clusterpolicies.kyverno.io", false},
		{"nfd.k8s-sigs.io", "NodeFeatureRule", true, "nodefeaturerules.nfd.k8s-sigs.io", false},
		{"argoproj.io", "EventBus", true, "eventbus.argoproj.io", true},
		{"acme.example.org", "Proxy", false, "proxies.acme.example.org", false},
		{"acme.example.org", "Key", true, "keys.acme.example.org", true},
		{"acme.example.org", "Batch", true, "batches.acme.example.org", true},
		{"acme.example.org", "Y", true, "ys.acme.example.org", true},
	} {
		u := Definition(c.group, c.kind, c.namespaced, "v1", "v1beta1", "v1")
		scope, _, _ := unstructured.NestedString(u.Object, "spec", "scope")
		if u.GetName() != c.name || (scope == "Namespaced") != c.want {
			t.Errorf("%s %s: got %s, %s", c.group, c.kind, u.GetName(), scope)
		}
		versions, _, _ := unstructured.NestedSlice(u.Object, "spec", "versions")
		if len(versions) != 2 {
			t.Fatalf("got %v", versions)
		}
		for i, v := range versions {
			v := v.(map[string]any)
			open, _, _ := unstructured.NestedBool(v, "schema", "openAPIV3Schema", "x-kubernetes-preserve-unknown-fields")
			status, _, _ := unstructured.NestedMap(v, "subresources")
			if v["name"] != []string{"v1", "v1beta1"}[i] || v["served"] != true || v["storage"] != (i == 0) || !open || status["status"] == nil {
				t.Errorf("version %d: %v", i, v)
			}
		}
		approved := u.GetAnnotations()["api-approved.kubernetes.io"]
		if protected := strings.HasSuffix(c.group, ".k8s.io"); protected != strings.HasPrefix(approved, "unapproved") {
			t.Errorf("%s: approved by %q", c.group, approved)
		}
	}
	if got := Of("acme.example.org"); got != nil {
		t.Errorf("got %v", got)
	}
	if got := Of("cert-manager.io"); len(got) < 4 {
		t.Errorf("got %v", got)
	}
}
