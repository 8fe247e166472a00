package webhooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// allow answers an AdmissionReview, of which v1 and v1beta1 are alike: the request is allowed,
// as it is.
func allow(body []byte) ([]byte, *admissionv1.AdmissionRequest, error) {
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &review); err != nil {
		return nil, nil, err
	}
	if review.Kind != "AdmissionReview" || review.Request == nil {
		return nil, nil, errors.New("the API server sent no AdmissionReview")
	}
	answer, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: review.TypeMeta,
		Response: &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true},
	})
	return answer, review.Request, err
}

// convert answers a ConversionReview, of which v1 and v1beta1 are alike: objects get another
// apiVersion, as the strategy None has it.
func convert(body []byte) ([]byte, []Record, error) {
	var review apiextensionsv1.ConversionReview
	if err := json.Unmarshal(body, &review); err != nil {
		return nil, nil, err
	}
	if review.Kind != "ConversionReview" || review.Request == nil {
		return nil, nil, errors.New("the API server sent no ConversionReview")
	}
	var records []Record
	response := &apiextensionsv1.ConversionResponse{UID: review.Request.UID, Result: metav1.Status{Status: metav1.StatusSuccess}}
	for _, object := range review.Request.Objects {
		converted, record, err := withVersion(object.Raw, review.Request.DesiredAPIVersion)
		if err != nil {
			return nil, nil, err
		}
		response.ConvertedObjects = append(response.ConvertedObjects, runtime.RawExtension{Raw: converted})
		records = append(records, record)
	}
	answer, err := json.Marshal(apiextensionsv1.ConversionReview{TypeMeta: review.TypeMeta, Response: response})
	return answer, records, err
}

// withVersion returns the object with another apiVersion and else to the byte, as numbers may
// be larger than decoding leaves them.
func withVersion(object []byte, apiVersion string) ([]byte, Record, error) {
	var fields map[string]json.RawMessage
	var meta metav1.PartialObjectMetadata
	if err := errors.Join(json.Unmarshal(object, &fields), json.Unmarshal(object, &meta)); err != nil {
		return nil, Record{}, err
	}
	version, err := json.Marshal(apiVersion)
	if err != nil {
		return nil, Record{}, err
	}
	fields["apiVersion"] = version
	converted, err := json.Marshal(fields)
	return converted, Record{
		Kind: Conversion, Configuration: meta.GroupVersionKind().GroupKind().String(), Webhook: "conversion",
		Object: objectName(meta.Kind, meta.Namespace, meta.Name, ""), Operation: "CONVERT",
	}, err
}

// noise are resources that controllers of the cluster itself write all the time, by their
// groups. An empty list is all of the group.
var noise = map[string][]string{
	"": {"events", "endpoints"}, "events.k8s.io": nil, "coordination.k8s.io": nil, "discovery.k8s.io": nil,
	"authentication.k8s.io": nil, "authorization.k8s.io": nil,
}

// matters says whether anybody wants to hear that the request met a webhook.
func matters(r *admissionv1.AdmissionRequest) bool {
	if slices.Contains([]string{"status", "binding", "token"}, r.SubResource) { // of kubelets, schedulers and controllers
		return false
	}
	resources, ok := noise[r.Resource.Group]
	return !ok || resources != nil && !slices.Contains(resources, r.Resource.Resource)
}

// objectOf names what the request is about.
func objectOf(r *admissionv1.AdmissionRequest) string {
	var meta metav1.PartialObjectMetadata
	for _, raw := range [][]byte{r.Object.Raw, r.OldObject.Raw} {
		if meta.GenerateName == "" && len(raw) > 0 {
			_ = json.Unmarshal(raw, &meta) // if it has no metadata, the request's own name is all there is
		}
	}
	namespace := r.Namespace
	if (schema.GroupKind{Group: r.Kind.Group, Kind: r.Kind.Kind}) == (schema.GroupKind{Kind: "Namespace"}) {
		namespace = "" // the API server puts its own name there
	}
	return objectName(r.Kind.Kind, namespace, r.Name, meta.GenerateName)
}

// objectName names an object. One whose name is generated is named by what its like have in
// common: the rest differs from one run to the next.
func objectName(kind, namespace, name, generated string) string {
	if generated != "" {
		name = generated + "*"
	}
	if namespace != "" {
		name = namespace + "/" + name
	}
	return fmt.Sprintf("%s %s", kind, name)
}
