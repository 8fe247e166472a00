package kinds

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	dnsName = regexp.MustCompile(`^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$`)
	slashed = regexp.MustCompile(`^([a-z0-9.-]+/)*[a-z0-9][a-z0-9.-]*$`)
)

// Of the table, what its form can't rule out: names that are none, rows that say nothing or the same
// as another, and charts that both bring something and nothing.
func TestTheTableOfCharts(t *testing.T) {
	all, err := readTable(chartsFile)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	once := func(what ...string) {
		t.Helper()
		key := strings.Join(what, " ")
		if said[key] {
			t.Errorf("%s: said twice", key)
		}
		said[key] = true
	}
	for _, p := range all.Provides {
		if len(p.Charts)+len(p.Packages) == 0 || len(p.Groups) == 0 {
			t.Errorf("%+v: names nobody, or brings nothing", p)
		}
		if placed := slices.Contains([]Placement{InFolder, AsTemplates, ByOperator}, p.CRDs); placed != (len(p.Charts) > 0) {
			t.Errorf("%+v: crds is %q", p, p.CRDs)
		}
		for _, g := range p.Groups {
			if !dnsName.MatchString(g) {
				t.Errorf("%q is no API group", g)
			}
			for _, name := range p.Charts {
				once("chart", name, g)
			}
			for _, name := range p.Packages {
				once("package", name, g)
			}
		}
		for _, name := range p.Charts {
			if !slashed.MatchString(name) {
				t.Errorf("%q is no chart", name)
			}
		}
		for _, name := range p.Packages {
			if !slashed.MatchString(name) || strings.ContainsAny(name, "./") {
				t.Errorf("%q is no package without its domain", name)
			}
		}
	}
	for _, name := range slices.Concat(all.Nothing.Charts...) {
		once("no kinds: chart", name)
		if n := len(all.charts[name]); n != 1 || name != last(name) || !slashed.MatchString(name) {
			t.Errorf("chart %q: %d rows", name, n)
		}
	}
	for _, name := range slices.Concat(all.Nothing.Packages...) {
		once("no kinds: package", name)
		if n := len(all.packages[name]); n != 1 || strings.ContainsAny(name, "./") {
			t.Errorf("package %q: %d rows", name, n)
		}
	}
	for _, p := range all.Platforms {
		if p.Name == "" || len(p.Groups) == 0 {
			t.Errorf("platform %+v", p)
		}
	}
	if n := len(all.charts); n < 500 {
		t.Errorf("%d charts", n)
	}
	for _, wrong := range []string{"provides: [{chart: [a]}]", "provides: 1", "provides: [{charts: [a], if: {x: maybe}}]", ""} {
		if _, err := readTable([]byte(wrong)); err == nil || !strings.HasPrefix(err.Error(), "charts.yaml: ") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestKnown(t *testing.T) {
	for chart, want := range map[string]string{
		"cert-manager": "acme.cert-manager.io cert-manager.io",
		"oci://quay.io/jetstack/charts/cert-manager/":        "acme.cert-manager.io cert-manager.io",
		"https://charts.jetstack.io/cert-manager":            "acme.cert-manager.io cert-manager.io",
		"oci://mirror.example.org/envoyproxy/gateway-helm":   "gateway.envoyproxy.io gateway.networking.k8s.io gateway.networking.x-k8s.io",
		"oci://ghcr.io/cloudnative-pg/charts/cloudnative-pg": "postgresql.cnpg.io",
		"base": "extensions.istio.io networking.istio.io security.istio.io telemetry.istio.io",
		"https://istio-release.storage.googleapis.com/charts/base": "extensions.istio.io networking.istio.io security.istio.io telemetry.istio.io",
		"oci://example.org/charts/base":                            "?",
		"https://operator.min.io/operator":                         "job.min.io minio.min.io sts.min.io",
		"oci://registry.example.org/acme/operator":                 "?",
		"linkerd-crds": "gateway.networking.k8s.io linkerd.io policy.linkerd.io workload.linkerd.io",
		"grafana":      "",
		"oci://ghcr.io/bjw-s-labs/helm/app-template": "",
		"acme-thing": "?",
		"":           "?",
		"oci://":     "?",
	} {
		groups, known := Known(chart)
		got := strings.Join(groups, " ")
		if !known {
			got += "?"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", chart, got, want)
		}
	}
	for name, want := range map[string]int{"cert-manager.tanzu.vmware.com": 1, "contour": 1, "harbor.tanzu.vmware.com": 0, "acme.example.org": -1} {
		if brings, known := OfPackage(name); len(brings) != max(want, 0) || known != (want >= 0) {
			t.Errorf("%s: got %v, %v", name, brings, known)
		}
	}
}

func TestInstallers(t *testing.T) {
	for group, want := range map[string][]string{
		"cert-manager.io":               {"cert-manager", "tap"},
		"gateway.networking.k8s.io":     {"gateway-helm", "gateway-crds-helm", "traefik", "linkerd-crds", "stunner"},
		"monitoring.coreos.com":         {"kube-prometheus-stack", "prometheus-operator-crds"},
		"s3.aws.upbound.io":             {"crossplane"},
		"storage.cnrm.cloud.google.com": {"configconnector-operator"},
		"sts.min.io":                    {"operator", "minio-operator"},
	} {
		got := Installers(group)
		for _, name := range want {
			if !slices.Contains(got, name) {
				t.Errorf("%s: no %s in %v", group, name, got)
			}
		}
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("%s: %v", group, got)
		}
	}
	for _, group := range []string{"apps", "", "acme.example.org", "io", "upbound.io"} {
		if got := Installers(group); len(got) > 0 {
			t.Errorf("%q: %v", group, got)
		}
	}
	if got := Platform("talos.dev") + Platform("apps"); got != "Talos" {
		t.Errorf("got %q", got)
	}
}

func TestOn(t *testing.T) {
	type values = map[string]any
	off, on, either := Provision{If: map[string]bool{"crds.enabled": false, "installCRDs": false}}, Provision{If: map[string]bool{"crds.enabled": true}}, Provision{}
	for name, c := range map[string]struct {
		p    Provision
		v    values
		more bool
		want bool
	}{
		"no switch":                     {p: either, want: true},
		"off by default":                {p: off},
		"on by default":                 {p: on, want: true},
		"switched on":                   {p: off, v: values{"crds": values{"enabled": true}}, want: true},
		"switched on by the other":      {p: off, v: values{"crds": values{"enabled": false}, "installCRDs": true}, want: true},
		"switched off":                  {p: on, v: values{"crds": values{"enabled": false}}},
		"switched off, and more values": {p: on, v: values{"crds": values{"enabled": false}}, more: true},
		"more values":                   {p: off, more: true, want: true},
		"null is the default":           {p: on, v: values{"crds": values{"enabled": nil}}, want: true},
		"a substitution":                {p: off, v: values{"installCRDs": "${CRDS}"}, want: true},
		"an empty text":                 {p: on, v: values{"crds": values{"enabled": ""}}},
		"zero":                          {p: on, v: values{"crds": values{"enabled": int64(0)}}},
		"an empty list":                 {p: on, v: values{"crds": values{"enabled": []any{}}}},
		"a text on the way":             {p: off, v: values{"crds": "${CRDS}"}, want: true},
	} {
		if got := c.p.On(c.v, c.more); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
