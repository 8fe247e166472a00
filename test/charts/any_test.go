package charts

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/standin"
)

// render renders a stand-in that is made of a chart's name, as release "boat" in namespace "sea". api are kinds that
// the API has.
func render(t *testing.T, a standin.Asked, values string, api ...string) []*unstructured.Unstructured {
	t.Helper()
	if os.Getenv("SEATRIAL_HELM") == "" && os.Getenv("SEATRIAL_CHARTS") == "" {
		t.Skip("set SEATRIAL_HELM to a helm command, or SEATRIAL_CHARTS to have one built")
	}
	archive, err := standin.PackAny(a)
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(t.TempDir(), "chart.tgz")
	if err := os.WriteFile(at, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	var rel release
	rel.Metadata.Name, rel.Metadata.Namespace = "boat", "sea"
	if err := yaml.Unmarshal([]byte(values), &rel.Spec.Values); err != nil {
		t.Fatal(err)
	}
	return (&renderer{helm: helmProgram(t), api: api}).template(t, rel, at)
}

// listed are Kind/name of objects, sorted.
func listed(objects []*unstructured.Unstructured) string {
	var out []string
	for _, o := range objects {
		out = append(out, o.GetKind()+"/"+o.GetName())
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestAppTemplateNames(t *testing.T) {
	const two = `
controllers: {web: {containers: {app: {image: {repository: a, tag: 1}}}}, night: {type: cronjob, cronjob: {schedule: "@daily"}, containers: {app: {image: {repository: a, tag: 1}}}}}
service: {web: {controller: web, ports: {http: {port: 80}}}, admin: {controller: web, ports: {http: {port: 81}}}}
`
	const one = `
controllers: {web: {containers: {app: {image: {repository: a, tag: 1}, envFrom: [{secret: login}]}}}}
service: {web: {ports: {http: {port: 80}}}}
ingress: {web: {hosts: [{host: "{{ .Release.Name }}.example.com", paths: [{path: /, service: {identifier: web, port: http}}]}]}}
route: {web: {hostnames: [a.example.com], parentRefs: [{name: gate, namespace: net}], rules: [{backendRefs: [{identifier: web}]}]}}
persistence: {data: {accessMode: ReadWriteOnce, size: 1Gi}, conf: {type: configMap, identifier: conf}}
configMaps: {conf: {data: {a: "{{ .Release.Namespace }}"}}}
secrets: {login: {stringData: {a: b}}}
`
	for _, c := range []struct{ version, values, want string }{
		{"5.1.0", two, "CronJob/boat-night Deployment/boat-web Service/boat-admin Service/boat-web ServiceAccount/boat"},
		{"4.1.1", two, "CronJob/boat-night Deployment/boat-web Service/boat-admin Service/boat-web"},
		{"2.6.0", strings.ReplaceAll(two, "web: {controller", "main: {controller"), "CronJob/boat-night Deployment/boat-web Service/boat Service/boat-admin"},
		{"3.7.3", two, "CronJob/boat-night Deployment/boat-web Service/boat-admin Service/boat-web"},
		{"4.1.1", one, "ConfigMap/boat Deployment/boat HTTPRoute/boat Ingress/boat PersistentVolumeClaim/boat Secret/boat Service/boat"},
		{"3.7.3", one, "ConfigMap/boat-conf Deployment/boat HTTPRoute/boat Ingress/boat PersistentVolumeClaim/boat-data Secret/boat-login Service/boat"},
		{"5.1.0", strings.ReplaceAll(two, "admin: {", "admin: {forceRename: crew, "), "CronJob/boat-night Deployment/boat-web Service/boat-web Service/crew ServiceAccount/boat"},
		{"5.1.0", two + "global: {createDefaultServiceAccount: false}", "CronJob/boat-night Deployment/boat-web Service/boat-admin Service/boat-web"},
	} {
		if got := listed(render(t, standin.Asked{Name: "app-template", Version: c.version}, c.values)); got != c.want {
			t.Errorf("%s: got  %s\nwant %s", c.version, got, c.want)
		}
	}
}

func TestGenericChartReadsWhatValuesName(t *testing.T) {
	objects := render(t, standin.Asked{
		Name: "unheard-of", Version: "1.0.0",
		Expected: map[string]standin.Expected{"sea/boat": {Services: map[string][]string{"boat-front": {"8080", "http"}}, Workloads: []string{"StatefulSet/boat-db"}}},
	}, `
auth: {existingSecret: login, existingSecretPasswordKey: password}
db: {existingSecret: "{{ .Release.Name }}-db", other: {enabled: false, existingSecret: off}}
extraEnv: [{name: A, valueFrom: {secretKeyRef: {name: env, key: a}}}, {name: B, valueFrom: {secretKeyRef: {name: maybe, key: a, optional: true}}}]
envFrom: [{secretRef: {name: all}}, {configMapRef: {name: settings}}]
persistence: {existingClaim: data}
ingress: {tls: [{secretName: made-by-cert-manager}]}
store: {secretName: "{{ include \"x\" . }}-made"}
imagePullSecrets: [{name: pull}, other]
extraObjects: [{apiVersion: v1, kind: Pod, spec: {existingSecret: inside}}]
service: {port: 9000}
`)
	if got, want := listed(objects), "Deployment/boat Service/boat Service/boat-front StatefulSet/boat-db"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	for _, o := range objects {
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		switch o.GetName() {
		case "boat":
			if o.GetKind() == "Service" {
				if !strings.Contains(string(text), "port: 9000") {
					t.Errorf("the Service lacks the values' port: %s", text)
				}
				continue
			}
			for _, want := range []string{"key: password", "name: login", "name: boat-db", "name: env", "name: all", "name: settings", "claimName: data", "name: pull", "name: other"} {
				if !strings.Contains(string(text), want) {
					t.Errorf("the pod lacks %q: %s", want, text)
				}
			}
			for _, not := range []string{"off", "maybe", "made", "inside"} {
				if strings.Contains(string(text), not) {
					t.Errorf("the pod reads %q: %s", not, text)
				}
			}
		case "boat-front":
			if !strings.Contains(string(text), "port: 8080") || !strings.Contains(string(text), "name: http") {
				t.Errorf("the Service lacks what routes lead to: %s", text)
			}
		}
	}
}

func TestDescribedChartsRender(t *testing.T) {
	for _, name := range standin.Known() {
		if objects := render(t, standin.Asked{Name: name, Version: "1.0.0"}, "auth: {existingSecret: login}"); len(objects) == 0 && name != "app-template" {
			t.Errorf("%s renders nothing", name)
		}
	}
}

// A release's patches find what they change: the pod's container under its own name, volumes, and lists to add to. What the
// API does not have is left out.
func TestStandInsHaveWhatPatchesChange(t *testing.T) {
	pod := func(has map[string]any) map[string]any {
		return map[string]any{"spec": map[string]any{"template": map[string]any{"spec": has}}}
	}
	expected := map[string]standin.Expected{"sea/boat": {
		Workloads: []string{"DaemonSet/boat"},
		Objects: []map[string]any{
			standin.Least("v1", "ConfigMap", "", "boat-settings"), standin.Least("apps/v1", "DaemonSet", "", "boat"), standin.Least("boats.example.com/v1", "Harbour", "", "gone"),
			standin.Least("example.com/v1", "Crane", "port", "boat"), standin.Least("", "MutatingWebhookConfiguration", "", "boat"),
		},
		Patched: []standin.Patched{
			{Kind: "Deployment|DaemonSet", Name: "boat.*", Has: pod(map[string]any{
				"containers": []any{map[string]any{"$name": "engine", "securityContext": map[string]any{"allowPrivilegeEscalation": true}}, map[string]any{"$name": "sonar"}},
				"volumes":    []any{map[string]any{"$name": "hold"}},
			})},
			{Kind: "Deployment|DaemonSet", Name: "boat.*", Has: pod(map[string]any{"containers": []any{map[string]any{"args": []any{}, "image": "stand-in", "name": "stand-in"}}})},
			{Kind: ".*Configuration", Name: ".*", Has: map[string]any{"webhooks": []any{map[string]any{}, map[string]any{}}}},
			{Kind: "Deployment", Name: "oat", Has: map[string]any{"data": map[string]any{"wrong": "x"}}},
		},
	}}
	for _, c := range []struct{ chart, want string }{
		{"unheard-of", "ConfigMap/boat-settings Crane/boat DaemonSet/boat MutatingWebhookConfiguration/boat Service/boat"},
		{"reloader", "ConfigMap/boat-settings Crane/boat DaemonSet/boat Deployment/boat-reloader MutatingWebhookConfiguration/boat"},
	} {
		objects := render(t, standin.Asked{Name: c.chart, Version: "1.0.0", Expected: expected}, "{}", "v1/ConfigMap", "example.com/v1/Crane", "admissionregistration.k8s.io/v1/MutatingWebhookConfiguration", "apps/v1/DaemonSet")
		if got := listed(objects); got != c.want {
			t.Errorf("%s: got  %s\nwant %s", c.chart, got, c.want)
		}
		for _, o := range objects {
			text, err := yaml.Marshal(o.Object)
			if err != nil {
				t.Fatal(err)
			}
			switch o.GetKind() {
			case "DaemonSet", "Deployment":
				containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
				volumes, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "volumes")
				if len(containers) != 2 || len(volumes) != 1 {
					t.Errorf("%s: %s", c.chart, text)
					continue
				}
				engine, sonar := containers[0].(map[string]any), containers[1].(map[string]any)
				escalates, _, _ := unstructured.NestedBool(engine, "securityContext", "allowPrivilegeEscalation")
				if engine["name"] != "engine" || sonar["name"] != "sonar" || engine["args"] == nil || engine["image"] == "stand-in" || sonar["image"] != engine["image"] || !escalates {
					t.Errorf("%s: %s", c.chart, text)
				}
			case "MutatingWebhookConfiguration":
				if hooks, _, _ := unstructured.NestedSlice(o.Object, "webhooks"); len(hooks) != 2 {
					t.Errorf("%s: %s", c.chart, text)
				}
			case "Crane":
				if o.GetNamespace() != "port" {
					t.Errorf("%s: %s", c.chart, text)
				}
			}
		}
	}
}
