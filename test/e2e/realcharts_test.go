package e2e

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/test/internet"
)

// realCharts has the world serve the charts of SEATRIAL_CHARTS where the catalogue has them from, in the
// pinned version, and names them. A chart that is not at hand in that version is not there.
func (w *world) realCharts(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv("SEATRIAL_CHARTS")
	if dir == "" || dir == "live" {
		t.Skip("set SEATRIAL_CHARTS to a folder of charts")
	}
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]map[string][]byte{}
	docker := &internet.Registry{Host: "registry-1.docker.io", Auth: "auth.docker.io"}
	w.NewRegistry(docker)
	var served []string
	for _, s := range c.Services {
		if s.Chart == nil {
			continue
		}
		file := s.Chart.Name + "-" + s.Chart.Version + ".tgz"
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Logf("no %s: a stand-in takes its place", file)
			continue
		}
		served = append(served, s.Chart.Name)
		if repository, oci := strings.CutPrefix(s.Chart.URL, "oci://registry-1.docker.io/"); oci {
			if err := docker.PushChart(repository+"/"+s.Chart.Name, s.Chart.Version, b); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if at[s.Chart.URL] == nil {
			at[s.Chart.URL] = map[string][]byte{}
		}
		at[s.Chart.URL][file] = b
	}
	hosts := map[string]*http.ServeMux{}
	for where, charts := range at {
		u, err := url.Parse(where)
		if err != nil {
			t.Fatal(err)
		}
		if hosts[u.Host] == nil {
			hosts[u.Host] = http.NewServeMux()
			w.Handle(u.Host, hosts[u.Host])
		}
		hosts[u.Host].Handle(strings.TrimRight(u.Path, "/")+"/", internet.Helm(charts, "", "", ""))
	}
	return served
}

// The whole catalogue reconciles with the real charts, in time.
func TestCatalogueWithRealCharts(t *testing.T) {
	w := newWorld(t)
	served := w.realCharts(t)
	dir, key := keyed(t, fullBlueprint())
	start := time.Now()
	r := w.verify(t, true, "--age-key", key, dir)
	took := time.Since(start)
	passes(t, r)
	if took > time.Minute {
		t.Errorf("took %s", took)
	}
	real := 0
	for _, a := range r.report.Egress {
		if a.Origin == egress.Upstream && strings.HasSuffix(a.URL, ".tgz") {
			real++
		}
	}
	t.Logf("%d charts at hand, %d fetched, in %s", len(served), real, took)
	for _, name := range []string{"kube-prometheus-stack", "harbor", "vault", "grafana"} {
		if !slices.Contains(served, name) {
			t.Errorf("%s is not at hand", name)
		}
		if slices.ContainsFunc(r.report.StandIns, func(s report.StandIn) bool {
			return slices.ContainsFunc(s.Serves, func(v string) bool { return strings.HasPrefix(v, name+" ") })
		}) {
			t.Errorf("a stand-in took the place of %s", name)
		}
	}
}

// A value that breaks a real chart is found, with the chart's template and line.
func TestRealChartsBreakWhereTheyDo(t *testing.T) {
	w := newWorld(t)
	w.realCharts(t)
	nginx, err := os.ReadFile(filepath.Join(os.Getenv("SEATRIAL_CHARTS"), "ingress-nginx-4.15.1.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	w.Handle("kubernetes.github.io", internet.Helm(map[string][]byte{"ingress-nginx-4.15.1.tgz": nginx}, "", "", ""))
	files := map[string]string{}
	breaks := []struct{ url, chart, version, values, says string }{
		{"https://prometheus-community.github.io/helm-charts", "kube-prometheus-stack", "88.5.3", "{alertmanager: {ingress: nonsense}}", "kube-prometheus-stack/templates/alertmanager/"},
		{"https://helm.goharbor.io", "harbor", "1.19.1", "{persistence: nonsense}", "harbor/templates/"},
		{"https://helm.releases.hashicorp.com", "vault", "0.34.1", "{server: {extraSecretEnvironmentVars: [nonsense]}}", "vault/templates/"},
		{"https://grafana-community.github.io/helm-charts", "grafana", "12.11.1", "{persistence: nonsense}", "grafana/templates/"},
		{"https://kubernetes.github.io/ingress-nginx", "ingress-nginx", "4.15.1", "{controller: {service: nonsense}}", "ingress-nginx/templates/controller-service.yaml"},
	}
	for _, b := range breaks {
		files["apps/"+b.chart+".yaml"] = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: " + b.chart + ", namespace: flux-system}\nspec: {interval: 10m, url: " + b.url + "}\n" +
			"---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: " + b.chart + ", namespace: flux-system}\n" +
			"spec: {interval: 10m, chart: {spec: {chart: " + b.chart + ", version: " + b.version + ", sourceRef: {kind: HelmRepository, name: " + b.chart + "}}}, values: " + b.values + "}\n"
	}
	r := w.verify(t, true, "--sources", "live", releaseOf(t, "url: https://helm.goharbor.io", "harbor", "1.19.1", "{}", files))
	for _, b := range breaks {
		if !slices.ContainsFunc(r.report.Findings, func(f finding.Finding) bool {
			return f.File == "apps/"+b.chart+".yaml" && strings.Contains(f.Message, b.says) && strings.Contains(f.Message, ", line ") && f.Fix != ""
		}) {
			t.Errorf("%s is not told", b.chart)
		}
	}
}
