package webhooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	admissionv1beta1 "k8s.io/api/admission/v1beta1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/webhook"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/validating"
	webhookutil "k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// unreached is the resolver behind: who asks it is not answered by this process.
type unreached struct{}

func (unreached) ResolveEndpoint(string, string, int32) (*url.URL, error) {
	return nil, errors.New("called over the network")
}

// hooks is a source of webhooks.
type hooks []webhook.WebhookAccessor

func (h hooks) Webhooks() []webhook.WebhookAccessor { return h }
func (h hooks) HasSynced() bool                     { return true }

// answers are Answers of a cluster with the Services policy/hooks and policy/headless, and with
// webhooks; Service policy/routed has a process.
func answers(t *testing.T, registered ...webhook.WebhookAccessor) (*Answers, *bytes.Buffer) {
	t.Helper()
	written := &bytes.Buffer{}
	a := New(NewRecords(written), func(namespace, service string) bool { return namespace+"/"+service == "policy/routed" })
	services := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for name, ip := range map[string]string{"hooks": "10.96.0.9", "headless": corev1.ClusterIPNone, "routed": "10.96.0.10"} {
		if err := services.Add(&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "policy", Name: name},
			Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, ClusterIP: ip, Ports: []corev1.ServicePort{{Port: 443}}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	a.services = corelisters.NewServiceLister(services)
	a.sources[Validating] = hooks(registered)
	return a, written
}

// manager is what the API server calls webhooks with.
func manager(t *testing.T, a *Answers, kind string) *webhookutil.ClientManager {
	t.Helper()
	m, err := webhookutil.NewClientManager([]schema.GroupVersion{admissionv1beta1.SchemeGroupVersion, admissionv1.SchemeGroupVersion}, admissionv1beta1.AddToScheme, admissionv1.AddToScheme)
	if err != nil {
		t.Fatal(err)
	}
	info, err := webhookutil.NewDefaultAuthenticationInfoResolver("")
	if err != nil {
		t.Fatal(err)
	}
	m.SetAuthenticationInfoResolver(info)
	m.SetAuthenticationInfoResolverWrapper(a.Wrapper(kind))
	m.SetServiceResolver(unreached{})
	return &m
}

// call asks a webhook as the API server does.
func call(m *webhookutil.ClientManager, at webhookutil.ClientConfig, review, answer runtime.Object) error {
	client, err := m.HookClient(at)
	if err != nil {
		return err
	}
	return client.Post().Body(review).Do(context.Background()).Into(answer)
}

func request() *admissionv1.AdmissionRequest {
	return &admissionv1.AdmissionRequest{
		UID: "1", Kind: metav1.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Resource: metav1.GroupVersionResource{Version: "v1", Resource: "configmaps"},
		Namespace: "web", Name: "a", Operation: admissionv1.Create,
		Object: runtime.RawExtension{Raw: []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"web","name":"a","labels":{"app":"a"}}}`)},
	}
}

// Both versions of a review are allowed and left as they are, whatever the webhook's port, and
// without a caBundle, with which a real API server would trust nobody.
func TestAllows(t *testing.T) {
	a, written := answers(t)
	m := manager(t, a, Validating)
	at := webhookutil.ClientConfig{Service: &webhookutil.ClientConfigService{Namespace: "policy", Name: "hooks", Path: "/validate"}}
	var v1 admissionv1.AdmissionReview
	if err := call(m, at, &admissionv1.AdmissionReview{Request: request()}, &v1); err != nil {
		t.Fatal(err)
	}
	if v1.APIVersion != "admission.k8s.io/v1" || v1.Response == nil || !v1.Response.Allowed || v1.Response.UID != "1" || v1.Response.Patch != nil || v1.Response.PatchType != nil {
		t.Errorf("got %+v", v1)
	}
	var old admissionv1beta1.AdmissionReview
	if err := call(m, at, &admissionv1beta1.AdmissionReview{Request: &admissionv1beta1.AdmissionRequest{UID: "2", Name: "a"}}, &old); err != nil {
		t.Fatal(err)
	}
	if old.APIVersion != "admission.k8s.io/v1beta1" || old.Response == nil || !old.Response.Allowed || old.Response.UID != "2" {
		t.Errorf("got %+v", old)
	}
	if want := `"webhook":"https://hooks.policy.svc:443/validate","object":"ConfigMap web/a","operation":"CREATE"`; !strings.Contains(written.String(), want) {
		t.Errorf("got %s, want %s", written, want)
	}
}

// What would fail on a real cluster before any pod is reached fails as it does there, and what
// is not behind a Service without a process is not answered.
func TestFailsAsARealAPIServer(t *testing.T) {
	a, written := answers(t)
	service := func(name string, port int32) *webhookutil.ClientConfigService {
		return &webhookutil.ClientConfigService{Namespace: "policy", Name: name, Port: port}
	}
	for name, c := range map[string]struct {
		at   webhookutil.ClientConfig
		want string
	}{
		"no such Service":    {webhookutil.ClientConfig{Service: service("absent", 443)}, `service "absent" not found`},
		"no such port":       {webhookutil.ClientConfig{Service: service("hooks", 8443)}, `no service port 8443 found for service "hooks"`},
		"headless":           {webhookutil.ClientConfig{Service: service("headless", 443)}, "cannot route to service"},
		"caBundle is no PEM": {webhookutil.ClientConfig{Service: service("hooks", 443), CABundle: []byte("x")}, "unable to load root certificates"},
		"a process":          {webhookutil.ClientConfig{Service: service("routed", 443)}, "called over the network"},
		"a URL":              {webhookutil.ClientConfig{URL: "https://127.0.0.1:1/"}, "connection refused"},
	} {
		err := call(manager(t, a, Validating), c.at, &admissionv1.AdmissionReview{Request: request()}, &admissionv1.AdmissionReview{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	if written.Len() > 0 {
		t.Errorf("recorded %s", written)
	}
}

// hook is a registered webhook of Service policy/hooks.
func hook(configuration, name string, change func(*admissionregistrationv1.ValidatingWebhook)) webhook.WebhookAccessor {
	fail := admissionregistrationv1.Fail
	w := &admissionregistrationv1.ValidatingWebhook{
		Name: name, FailurePolicy: &fail,
		ClientConfig:      admissionregistrationv1.WebhookClientConfig{Service: &admissionregistrationv1.ServiceReference{Namespace: "policy", Name: "hooks"}},
		NamespaceSelector: &metav1.LabelSelector{}, ObjectSelector: &metav1.LabelSelector{},
		Rules: []admissionregistrationv1.RuleWithOperations{{
			Operations: []admissionregistrationv1.OperationType{"*"}, Rule: admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"*"}, Resources: []string{"*"}},
		}},
	}
	if change != nil {
		change(w)
	}
	return webhook.NewValidatingWebhookAccessor(configuration+"/"+name, configuration, w)
}

// Of webhooks that share an address, the API server's own matching tells which it was.
func TestTellsWhichWebhookWasMet(t *testing.T) {
	path := "/other"
	ignore := admissionregistrationv1.Ignore
	a, _ := answers(t,
		hook("policy", "all", nil),
		hook("policy", "labelled", func(w *admissionregistrationv1.ValidatingWebhook) {
			w.FailurePolicy, w.ObjectSelector = &ignore, &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}
		}),
		hook("policy", "other label", func(w *admissionregistrationv1.ValidatingWebhook) {
			w.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "b"}}
		}),
		hook("policy", "pods", func(w *admissionregistrationv1.ValidatingWebhook) { w.Rules[0].Resources = []string{"pods"} }),
		hook("policy", "condition", func(w *admissionregistrationv1.ValidatingWebhook) {
			w.MatchConditions = []admissionregistrationv1.MatchCondition{{Name: "b", Expression: `object.metadata.name == "b"`}}
		}),
		hook("policy", "path", func(w *admissionregistrationv1.ValidatingWebhook) { w.ClientConfig.Service.Path = &path }),
	)
	plugin, err := validating.NewValidatingAdmissionWebhook(nil)
	if err != nil {
		t.Fatal(err)
	}
	a.Decorate(plugin, validating.PluginName)
	at := address{namespace: "policy", name: "hooks", port: 443, path: "/"}
	var got []string
	for _, r := range a.met(t.Context(), Validating, at, request()) {
		got = append(got, r.Configuration+" "+r.Webhook+" "+r.FailurePolicy+" "+r.Object)
	}
	if want := []string{"policy all Fail ConfigMap web/a", "policy labelled Ignore ConfigMap web/a"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	at.path = "/other"
	if met := a.met(t.Context(), Validating, at, request()); len(met) != 1 || met[0].Webhook != "path" {
		t.Errorf("got %+v", met)
	}
}

// A control plane whose webhooks would not be answered does not start.
func TestUnknownPluginsAreAnError(t *testing.T) {
	a := New(NewRecords(&bytes.Buffer{}), func(string, string) bool { return false })
	f := informers.NewSharedInformerFactory(nil, 0)
	if err := a.Use(f); err == nil {
		t.Error("no plugin was decorated, and nobody says so")
	}
	other := admission.NewHandler(admission.Create)
	if a.Decorate(other, "NamespaceLifecycle") != admission.Interface(other) || len(a.plugins) > 0 {
		t.Error("another plugin was taken for one that calls webhooks")
	}
}

func TestConversionSetsTheVersionOnly(t *testing.T) {
	answer, records, err := convert([]byte(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview","request":{"uid":"3","desiredAPIVersion":"example.com/v2",
		"objects":[{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"namespace":"web","name":"a"},"spec":{"size":9007199254740993}}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		APIVersion string
		Response   struct {
			UID              string
			Result           struct{ Status string }
			ConvertedObjects []json.RawMessage
		}
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		t.Fatal(err)
	}
	want := `{"apiVersion":"example.com/v2","kind":"Widget","metadata":{"namespace":"web","name":"a"},"spec":{"size":9007199254740993}}`
	if got.APIVersion != "apiextensions.k8s.io/v1" || got.Response.UID != "3" || got.Response.Result.Status != "Success" || len(got.Response.ConvertedObjects) != 1 || string(got.Response.ConvertedObjects[0]) != want {
		t.Errorf("got %s", answer)
	}
	if len(records) != 1 || records[0].Configuration != "Widget.example.com" || records[0].Object != "Widget web/a" {
		t.Errorf("got %+v", records)
	}
}

func TestWhatMatters(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*admissionv1.AdmissionRequest)
		want   string // empty: nobody wants to hear of it
	}{
		"a ConfigMap": {func(*admissionv1.AdmissionRequest) {}, "ConfigMap web/a"},
		"its scale":   {func(r *admissionv1.AdmissionRequest) { r.SubResource, r.Kind.Kind = "scale", "Scale" }, "Scale web/a"},
		"its status":  {func(r *admissionv1.AdmissionRequest) { r.SubResource = "status" }, ""},
		"a lease": {func(r *admissionv1.AdmissionRequest) {
			r.Resource.Group, r.Resource.Resource = "coordination.k8s.io", "leases"
		}, ""},
		"an event": {func(r *admissionv1.AdmissionRequest) { r.Resource.Resource = "events" }, ""},
		"a new event": {func(r *admissionv1.AdmissionRequest) {
			r.Resource.Group, r.Resource.Resource = "events.k8s.io", "events"
		}, ""},
		"a namespace":  {func(r *admissionv1.AdmissionRequest) { r.Kind.Kind, r.Name = "Namespace", "web" }, "Namespace web"},
		"cluster-wide": {func(r *admissionv1.AdmissionRequest) { r.Kind.Kind, r.Namespace = "Node", "" }, "Node a"},
		"generated": {func(r *admissionv1.AdmissionRequest) {
			r.Name, r.Object.Raw = "web-7x2qk", []byte(`{"metadata":{"name":"web-7x2qk","generateName":"web-"}}`)
		}, "ConfigMap web/web-*"},
		"generated, deleted": {func(r *admissionv1.AdmissionRequest) {
			r.Object.Raw, r.OldObject.Raw = nil, []byte(`{"metadata":{"name":"web-7x2qk","generateName":"web-"}}`)
		}, "ConfigMap web/web-*"},
	} {
		r := request()
		c.change(r)
		got := ""
		if matters(r) {
			got = objectOf(r)
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
