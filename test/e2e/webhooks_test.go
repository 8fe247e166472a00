package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/internal/verdict"
)

// layered is a repo with a layer for each file, each of which depends on the one before.
func layered(t *testing.T, files ...[2]string) string {
	t.Helper()
	dir := t.TempDir()
	all, before := map[string]string{}, ""
	for _, f := range files {
		all["layers/"+f[0]+"/all.yaml"] = f[1]
		all["clusters/prod/"+f[0]+".yaml"] = fmt.Sprintf("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: %s, namespace: flux-system}\nspec: {interval: 10m, prune: true, wait: true, path: ./layers/%s, sourceRef: {kind: GitRepository, name: flux-system}%s}\n", f[0], f[0], before)
		before = ", dependsOn: [{name: " + f[0] + "}]"
	}
	writeFiles(t, dir, all)
	return dir
}

// webhook is a configuration with one webhook, for a resource in the namespace web.
func webhook(kind, name, service, resource string) string {
	return fmt.Sprintf(`---
apiVersion: admissionregistration.k8s.io/v1
kind: %sWebhookConfiguration
metadata: {name: %s}
webhooks:
- name: %s.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  timeoutSeconds: 5
  clientConfig: {service: {name: %s, namespace: web, path: /%s}}
  rules: [{apiGroups: ["*"], apiVersions: ["*"], resources: [%s], operations: [CREATE, UPDATE]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: web}}
`, kind, name, name, service, name, resource)
}

const (
	webhookNamespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n"
	webhookService   = "---\napiVersion: v1\nkind: Service\nmetadata: {name: hooks, namespace: web}\nspec: {selector: {app: hooks}, ports: [{port: 443}]}\n"
	webhookObject    = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: web}\n"
	webhookKinds     = `---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  conversion: {strategy: Webhook, webhook: {conversionReviewVersions: [v1], clientConfig: {service: {name: hooks, namespace: web, path: /convert}}}}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}}
  - {name: v2, served: true, storage: false, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}}
`
	webhookWidget = "---\napiVersion: example.com/v2\nkind: Widget\nmetadata: {name: a, namespace: web}\nspec: {size: 3}\n"
)

// Webhooks whose pods are simulated are answered: objects get past them, and the report says
// which would have been looked at. The objects that register them stay as they are in Git.
func TestWebhooksAreAnswered(t *testing.T) {
	t.Parallel()
	logs := t.TempDir()
	r := verify(t, "--keep", "--logs", logs, layered(t,
		[2]string{"namespaces", webhookNamespace},
		[2]string{"hooks", webhookService + webhookKinds + webhook("Validating", "check", "hooks", "configmaps, widgets") + webhook("Mutating", "change", "hooks", "configmaps") + webhook("Validating", "idle", "hooks", "secrets")},
		[2]string{"objects", webhookObject + webhookWidget},
	))
	client := connect(t, kept(t, r))
	if r.code != 0 {
		t.Errorf("exit %d", r.code)
	}
	var got []string
	for _, s := range r.report.BlindSpots {
		if s.Code == finding.WebhookOpen {
			got = append(got, s.Message)
		}
	}
	want := []string{
		"CustomResourceDefinition of Widget.example.com: its conversion webhook was answered with another apiVersion and no other change, as no pod is behind it: it would have met Widget web/a",
		"MutatingWebhookConfiguration/change: webhook change.example.com was answered as allowed and unchanged, as no pod is behind it (failurePolicy Fail): it would have met ConfigMap web/a",
		"ValidatingWebhookConfiguration/check: webhook check.example.com was answered as allowed, as no pod is behind it (failurePolicy Fail): it would have met ConfigMap web/a, Widget web/a",
		"these webhooks, which no pod is behind, were answered for no object: ValidatingWebhookConfiguration/idle idle.example.com",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if b, err := os.ReadFile(filepath.Join(logs, "webhooks.jsonl")); err != nil || !strings.Contains(string(b), `"object":"ConfigMap web/a","operation":"CREATE"`) {
		t.Errorf("got %s, %v", b, err)
	}
	for resource, name := range map[string]string{"validatingwebhookconfigurations": "check", "mutatingwebhookconfigurations": "change"} {
		u, err := client.Dynamic.Resource(schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: resource}).Get(soon(t), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if hooks := fmt.Sprint(u.Object["webhooks"]); u.GetGeneration() != 1 || !strings.Contains(hooks, "failurePolicy:Fail") || strings.Contains(hooks, "caBundle") {
			t.Errorf("%s %s has changed: %v", resource, name, u.Object)
		}
	}
	for _, version := range []string{"v1", "v2"} {
		u, err := client.Dynamic.Resource(schema.GroupVersionResource{Group: "example.com", Version: version, Resource: "widgets"}).Namespace("web").Get(soon(t), "a", metav1.GetOptions{})
		if err != nil || u.GetAPIVersion() != "example.com/"+version || fmt.Sprint(u.Object["spec"]) != "map[size:3]" {
			t.Errorf("%s: got %v, %v", version, u, err)
		}
	}
}

// A webhook whose Service does not exist refuses objects on any cluster.
func TestWebhookWithoutServiceFails(t *testing.T) {
	t.Parallel()
	r := verify(t, layered(t,
		[2]string{"namespaces", webhookNamespace},
		[2]string{"hooks", webhook("Validating", "check", "absent", "configmaps")},
		[2]string{"objects", webhookObject},
	))
	i := slices.IndexFunc(r.report.Layers, func(l report.Layer) bool { return l.Name == "objects" })
	if r.code != 1 || i < 0 || r.report.Layers[i].Status != verdict.StatusFail || !strings.Contains(r.report.Layers[i].Message, `service "absent" not found`) {
		t.Errorf("exit %d, %+v", r.code, r.report.Layers)
	}
	if slices.ContainsFunc(r.report.BlindSpots, func(s finding.BlindSpot) bool { return s.Code == finding.WebhookOpen }) {
		t.Errorf("what fails is no blind spot: %v", r.report.BlindSpots)
	}
}
