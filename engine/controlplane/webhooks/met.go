package webhooks

import (
	"context"
	"path"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/webhook"
	"k8s.io/apiserver/pkg/authentication/user"
)

// met says which webhooks were asked about the request: those at the address, and if these are
// many, as they are with Istio, those that the API server itself takes for the request.
func (a *Answers) met(ctx context.Context, kind string, at address, r *admissionv1.AdmissionRequest) []Record {
	var hooks []webhook.WebhookAccessor
	for _, hook := range a.sources[kind].Webhooks() {
		if isAt(hook.GetClientConfig().Service, at) {
			hooks = append(hooks, hook)
		}
	}
	record := Record{Kind: kind, Webhook: at.String(), Object: objectOf(r), Operation: string(r.Operation)}
	if len(hooks) == 0 { // it was taken away while it was asked
		return []Record{record}
	}
	if len(hooks) > 1 {
		if called := a.called(ctx, kind, hooks, r); len(called) > 0 {
			hooks = called
		}
	}
	var records []Record
	for _, hook := range hooks {
		record.Configuration, record.Webhook, record.FailurePolicy = hook.GetConfigurationName(), hook.GetName(), ""
		if policy := hook.GetFailurePolicy(); policy != nil {
			record.FailurePolicy = string(*policy)
		}
		records = append(records, record)
	}
	return records
}

func isAt(s *admissionregistrationv1.ServiceReference, at address) bool {
	if s == nil || s.Namespace != at.namespace || s.Name != at.name {
		return false
	}
	port, where := int32(443), ""
	if s.Port != nil {
		port = *s.Port
	}
	if s.Path != nil {
		where = *s.Path
	}
	return port == at.port && path.Join("/", where) == at.path
}

// called are those of the webhooks that the API server calls for the request.
func (a *Answers) called(ctx context.Context, kind string, hooks []webhook.WebhookAccessor, r *admissionv1.AdmissionRequest) []webhook.WebhookAccessor {
	attributes, err := attributesOf(r)
	if err != nil {
		return nil
	}
	var out []webhook.WebhookAccessor
	for _, hook := range hooks {
		if invocation, why := a.plugins[kind].ShouldCallHook(ctx, hook, attributes, noEquivalents{}, attributes); invocation != nil && why == nil {
			out = append(out, hook)
		}
	}
	return out
}

// asked are the attributes of a request, with objects in the version that a review has them in.
type asked struct{ admission.VersionedAttributes }

// VersionedAttribute implements generic.VersionedAttributeAccessor.
func (a *asked) VersionedAttribute(schema.GroupVersionKind) (*admission.VersionedAttributes, error) {
	return &a.VersionedAttributes, nil
}

func attributesOf(r *admissionv1.AdmissionRequest) (*asked, error) {
	object, err := decode(r.Object.Raw)
	if err != nil {
		return nil, err
	}
	old, err := decode(r.OldObject.Raw)
	if err != nil {
		return nil, err
	}
	extra := map[string][]string{}
	for key, values := range r.UserInfo.Extra {
		extra[key] = values
	}
	kind := schema.GroupVersionKind(r.Kind)
	return &asked{admission.VersionedAttributes{
		Attributes: admission.NewAttributesRecord(object, old, kind, r.Namespace, r.Name, schema.GroupVersionResource(r.Resource), r.SubResource,
			admission.Operation(r.Operation), nil, r.DryRun != nil && *r.DryRun,
			&user.DefaultInfo{Name: r.UserInfo.Username, UID: r.UserInfo.UID, Groups: r.UserInfo.Groups, Extra: extra}),
		VersionedObject: object, VersionedOldObject: old, VersionedKind: kind,
	}}, nil
}

// decode returns a true nil for no object, which is what the API server's matchers look for.
func decode(raw []byte) (runtime.Object, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	u := &unstructured.Unstructured{}
	return u, u.UnmarshalJSON(raw)
}

// noEquivalents knows no other resource for a request: a review has the one that the webhook's
// rules matched.
type noEquivalents struct{ admission.ObjectInterfaces }

// GetEquivalentResourceMapper implements admission.ObjectInterfaces.
func (noEquivalents) GetEquivalentResourceMapper() runtime.EquivalentResourceMapper {
	return runtime.NewEquivalentResourceRegistry()
}
