package verdict

import (
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/live/livetest"
	"seatrial.dev/seatrial/internal/platform"
)

// podless is a workload whose pods were not created.
func podless(kind, spec string) string {
	return "apiVersion: apps/v1\nkind: " + kind + "\nmetadata: {name: web, namespace: web, labels: {kapp.k14s.io/app: '1'}}\nspec: {template: {spec: {" + spec + "}}}\nstatus: {observedGeneration: 0}\n"
}

func namespace(name, labels string) string {
	return "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + ", labels: {" + labels + "}}\n"
}

// selecting is a Deployment whose pods podOf makes.
var selecting = strings.Replace(podless("Deployment", plain), "spec: {", "spec: {selector: {matchLabels: {app: web}}, ", 1)

func podOf(spec string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: web-1, namespace: web, labels: {app: web}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: a, uid: b}]}\nspec: {" + spec + "}\n"
}

const (
	plain    = "containers: [{name: a, image: 'docker.io/a/b:1'}]"
	careful  = "securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [{name: a, image: 'docker.io/a/b:1', securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]"
	hostly   = "hostNetwork: true, " + plain
	enforces = "pod-security.kubernetes.io/enforce: "
)

// judged returns what References says of some objects, on a platform.
func judged(t *testing.T, p platform.Platform, enforced bool, objects ...string) []finding.Finding {
	t.Helper()
	view := livetest.Cluster(t, append(objects, ks("flux-system", "True", "ReconciliationSucceeded", "", ""), ks("web", "True", "ReconciliationSucceeded", "", "{id: web_web_apps_Deployment, v: v1}"))...)
	j, a := after(t, repo(t, "web"), view, 0, 1)
	j.On(p, enforced)
	found, _ := j.References(view, a)
	return found
}

func TestPodSecurity(t *testing.T) {
	tkg := platform.Platform{PodSecurity: "restricted"}
	for name, c := range map[string]struct {
		platform platform.Platform
		enforced bool
		objects  []string
		says     string // nothing: no finding
		fix      string
	}{
		"nothing is enforced":             {objects: []string{namespace("web", ""), podless("Deployment", plain)}},
		"the default":                     {platform: tkg, objects: []string{namespace("web", ""), podless("Deployment", plain)}, says: "they don't meet restricted, which is enforced where a namespace has no label", fix: "enforce: baseline"},
		"a package's namespace":           {platform: tkg, objects: []string{namespace("web", "kapp.k14s.io/app: '1'"), podless("Deployment", plain)}, says: "no label", fix: "have an overlay of the package label namespace web with pod-security.kubernetes.io/enforce: baseline"},
		"pods that meet it":               {platform: tkg, objects: []string{namespace("web", ""), podless("StatefulSet", careful)}},
		"a label":                         {platform: tkg, objects: []string{namespace("web", enforces+"baseline"), podless("Deployment", plain)}},
		"a label that is not enough":      {platform: tkg, objects: []string{namespace("web", enforces+"baseline"), podless("DaemonSet", hostly)}, says: "DaemonSet web: they don't meet baseline, which its label asks for", fix: "enforce: privileged"},
		"a label without a default":       {objects: []string{namespace("web", enforces+"restricted"), podless("Deployment", plain)}, says: "restricted, which its label"},
		"a label that is none":            {platform: tkg, objects: []string{namespace("web", enforces+"strict"), podless("Deployment", plain)}, says: "no label"},
		"an exempt namespace":             {platform: tkg, objects: []string{namespace("tkg-system", ""), strings.ReplaceAll(podless("Deployment", plain), "namespace: web", "namespace: tkg-system")}},
		"pods that a webhook changed":     {platform: tkg, enforced: true, objects: []string{namespace("web", ""), selecting, podOf(careful)}},
		"pods from before":                {platform: tkg, enforced: true, objects: []string{namespace("web", ""), selecting, podOf(plain)}, says: "restricted"},
		"pods of another":                 {platform: tkg, enforced: true, objects: []string{namespace("web", ""), podless("Deployment", plain), podOf(careful)}, says: "restricted"},
		"pods that no default applied to": {platform: tkg, objects: []string{namespace("web", ""), deployment("", plain)}, says: "restricted"},
		"the cluster's own":               {platform: tkg, objects: []string{namespace("web", ""), strings.Replace(podless("StatefulSet", plain), "kapp.k14s.io/app", "app", 1)}},
		"scaled to nothing":               {platform: tkg, objects: []string{namespace("web", ""), strings.Replace(podless("Deployment", plain), "spec: {", "spec: {replicas: 0, ", 1)}},
		"suspended":                       {platform: tkg, objects: []string{namespace("web", ""), strings.Replace(strings.Replace(podless("Job", plain), "apps/v1", "batch/v1", 1), "spec: {", "spec: {suspend: true, ", 1)}},
		"of another system":               {platform: tkg, objects: []string{namespace("web", ""), podless("DaemonSet", "nodeSelector: {kubernetes.io/os: windows}, "+plain)}},
		"no node of this cluster":         {platform: tkg, objects: []string{namespace("web", ""), strings.Replace(podless("DaemonSet", "nodeSelector: {gpu: 'true'}, "+plain), "status: {", "status: {desiredNumberScheduled: 0, ", 1)}, says: "restricted"},
		"a label that came later":         {objects: []string{namespace("web", enforces+"restricted"), selecting, podOf(plain)}, says: "which its label"},
	} {
		t.Run(name, func(t *testing.T) {
			got := judged(t, c.platform, c.enforced, c.objects...)
			if c.says == "" {
				if len(got) > 0 {
					t.Errorf("got %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Code != finding.PodSecurity || got[0].Severity != finding.Error || !strings.Contains(got[0].Message, c.says) || !strings.Contains(got[0].Fix, c.fix) || !strings.Contains(got[0].Evidence, "violates PodSecurity") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestImages(t *testing.T) {
	hub := platform.Platform{Proxies: map[string]string{"docker.io": "harbor.my-domain.com/hub"}, Direct: map[string]string{"docker.io/a/direct": "it is needed first"}}
	images := func(list ...string) string {
		var out []string
		for i, image := range list {
			out = append(out, "{name: c"+string(rune('a'+i))+", image: '"+image+"'}")
		}
		return deployment("", "containers: ["+strings.Join(out, ", ")+"]")
	}
	for name, c := range map[string]struct {
		platform platform.Platform
		object   string
		code     finding.Code
		severity finding.Severity
		says     string
		fix      string
	}{
		"no proxy is declared":       {object: images("docker.io/a/b:1")},
		"through the proxy":          {platform: hub, object: images("harbor.my-domain.com/hub/a/b:1", "a/direct:2")},
		"past the proxy":             {platform: hub, object: images("docker.io/a/b:1", "docker.io/a/b:1", "c:2"), code: finding.ImageBypassesProxy, severity: finding.Warning, says: "pull docker.io/a/b:1, c:2 past the registry proxy", fix: "harbor.my-domain.com/hub/a/b:1, harbor.my-domain.com/hub/library/c:2"},
		"a registry without a proxy": {platform: hub, object: images("quay.io/a/b:1"), code: finding.ImageBypassesProxy, severity: finding.Warning, says: "quay.io/a/b:1 past", fix: "a proxy for the registry of quay.io/a/b:1 with --registry-proxy"},
		"one with and one without":   {platform: hub, object: images("quay.io/a/b:1", "c:2"), code: finding.ImageBypassesProxy, severity: finding.Warning, says: "quay.io/a/b:1, c:2", fix: "library/c:2: in its manifest, or by images in the layer's kustomization.yaml; name a proxy for the registry of quay.io/a/b:1"},
		"no reference":               {object: images("docker.io/A/b:1"), code: finding.ImageInvalid, severity: finding.Error, says: `"docker.io/A/b:1"`, fix: "lower case"},
		"text that was not filled":   {object: images("docker.io/a/b:${VERSION}"), code: finding.ImageInvalid, severity: finding.Error, says: "container ca of Deployment web", fix: "give VERSION a value in the layer's postBuild.substitute"},
		"a volume that is an image":  {platform: hub, object: deployment("", "volumes: [{name: data, image: {reference: 'docker.io/a/b:1'}}]"), code: finding.ImageBypassesProxy, severity: finding.Warning, says: "docker.io/a/b:1 past"},
		"a volume of no image":       {object: deployment("", "volumes: [{name: data, image: {reference: 'a/B:1'}}]"), code: finding.ImageInvalid, severity: finding.Error, says: "volume data of Deployment web", fix: "lower case"},
		"no image":                   {object: deployment("", "containers: [{name: a}]")},
	} {
		t.Run(name, func(t *testing.T) {
			got := judged(t, c.platform, false, c.object)
			if c.code == "" {
				if len(got) > 0 {
					t.Errorf("got %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Code != c.code || got[0].Severity != c.severity || !strings.Contains(got[0].Message, c.says) || !strings.Contains(got[0].Fix, c.fix) {
				t.Errorf("got %+v", got)
			}
		})
	}
}
