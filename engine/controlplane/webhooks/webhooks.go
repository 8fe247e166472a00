// Package webhooks answers the API server's calls to webhooks of the cluster, as the pods that
// would answer them are simulated. Which webhooks are called for which objects, and what becomes
// of a request when that fails, stays the API server's own work.
package webhooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/configuration"
	"k8s.io/apiserver/pkg/admission/plugin/webhook"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/generic"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/mutating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/validating"
	"k8s.io/apiserver/pkg/util/proxy"
	webhookutil "k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
)

// The kinds of objects that register webhooks.
const (
	Validating = "ValidatingWebhookConfiguration"
	Mutating   = "MutatingWebhookConfiguration"
	Conversion = "CustomResourceDefinition"
)

// registers are the kinds that the API server's admission plugins read, by the plugins' names.
var registers = map[string]string{validating.PluginName: Validating, mutating.PluginName: Mutating}

// Answers answers in place of the pods behind the cluster's Services.
type Answers struct {
	records  *Records
	routed   func(namespace, service string) bool
	plugins  map[string]plugin         // by the kind that registers their webhooks
	sources  map[string]generic.Source // likewise
	services corelisters.ServiceLister
}

// plugin is one of the API server's two admission plugins that call webhooks.
type plugin interface {
	SetAuthenticationInfoResolverWrapper(webhookutil.AuthenticationInfoResolverWrapper)
	ShouldCallHook(context.Context, webhook.WebhookAccessor, admission.Attributes, admission.ObjectInterfaces, generic.VersionedAttributeAccessor) (*generic.WebhookInvocation, *apierrors.StatusError)
}

// New returns answers that are recorded. Services that are routed have a process behind them,
// and are called as ever.
func New(records *Records, routed func(namespace, service string) bool) *Answers {
	return &Answers{records: records, routed: routed, plugins: map[string]plugin{}, sources: map[string]generic.Source{}}
}

// Decorate implements admission.Decorator: it has the admission plugins that call webhooks call
// this process. It must see them before other decorators wrap them.
func (a *Answers) Decorate(handler admission.Interface, name string) admission.Interface {
	if kind, ok := registers[name]; ok {
		p := handler.(plugin) // else upstream has changed it, and the control plane is not to start
		p.SetAuthenticationInfoResolverWrapper(a.Wrapper(kind))
		a.plugins[kind] = p
	}
	return handler
}

// Use has Services and registered webhooks looked up in the API server's own informers, before
// they start and when all plugins are decorated.
func (a *Answers) Use(f informers.SharedInformerFactory) error {
	if len(a.plugins) != len(registers) {
		return errors.New("the API server has other admission plugins for webhooks than were known")
	}
	a.services = f.Core().V1().Services().Lister()
	a.sources[Validating] = configuration.NewValidatingWebhookConfigurationManager(f)
	a.sources[Mutating] = configuration.NewMutatingWebhookConfigurationManager(f)
	return nil
}

// Wrapper has calls to Services answered, for webhooks that the kind registers. It leaves the
// connection as it is configured, though none is made: a caBundle that can't be read fails as
// it does on a real cluster. Any other is taken, as what the pods would serve can't be known,
// and the real one is often put in by a pod (cert-manager's cainjector).
func (a *Answers) Wrapper(kind string) webhookutil.AuthenticationInfoResolverWrapper {
	return func(upstream webhookutil.AuthenticationInfoResolver) webhookutil.AuthenticationInfoResolver {
		return &webhookutil.AuthenticationInfoResolverDelegator{
			ClientConfigForFunc: upstream.ClientConfigFor,
			ClientConfigForServiceFunc: func(name, namespace string, port int) (*rest.Config, error) {
				config, err := upstream.ClientConfigForService(name, namespace, port)
				if err != nil || a.routed(namespace, name) {
					return config, err
				}
				config = rest.CopyConfig(config)
				config.Wrap(func(http.RoundTripper) http.RoundTripper {
					return &service{Answers: a, kind: kind, at: address{namespace: namespace, name: name, port: int32(port)}}
				})
				return config, nil
			},
		}
	}
}

// address is where a webhook is called.
type address struct {
	namespace, name string
	port            int32
	path            string
}

func (at address) String() string {
	return fmt.Sprintf("https://%s.%s.svc:%d%s", at.name, at.namespace, at.port, at.path)
}

// service plays a Service, for webhooks that a kind of object registers.
type service struct {
	*Answers
	kind string
	at   address
}

// RoundTrip implements http.RoundTripper. A Service that is not there, or has not the port, is
// the error that it is on a real cluster. Whether there are pods behind it is not looked at:
// a stand-in may have left them out.
func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if err != nil {
		return nil, err
	}
	if _, err := proxy.ResolveCluster(s.services, s.at.namespace, s.at.name, s.at.port); err != nil {
		return nil, err
	}
	at := s.at
	at.path = path.Join("/", r.URL.Path)
	answer, records, err := s.answer(r.Context(), at, body)
	if err != nil {
		return nil, fmt.Errorf("answer in place of the pods of Service %s/%s: %w", at.namespace, at.name, err)
	}
	for _, record := range records {
		if err := s.records.Add(record); err != nil { // an answer that nobody hears of would be a false green
			return nil, fmt.Errorf("record what met a webhook: %w", err)
		}
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(answer)), Body: io.NopCloser(bytes.NewReader(answer)),
	}, nil
}

// answer answers a review, and says what is to be recorded of it.
func (s *service) answer(ctx context.Context, at address, body []byte) ([]byte, []Record, error) {
	if s.kind == Conversion {
		return convert(body)
	}
	answer, request, err := allow(body)
	if err != nil || !matters(request) {
		return answer, nil, err
	}
	return answer, s.met(ctx, s.kind, at, request), nil
}
