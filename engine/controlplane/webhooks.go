package main

import (
	"context"
	"os"

	"k8s.io/apiserver/pkg/admission"
	webhookutil "k8s.io/apiserver/pkg/util/webhook"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"seatrial.dev/engine/controlplane/webhooks"
)

// webhooksFile is where --dir holds which objects met webhooks that no pod is behind.
const webhooksFile = "webhooks.jsonl"

// answerWebhooks has the API server that is made of the options answer the calls to its
// cluster's webhooks itself.
func (c *cluster) answerWebhooks(o *options.ServerRunOptions) (*webhooks.Answers, error) {
	file, err := os.OpenFile(c.path(webhooksFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	answers := webhooks.New(webhooks.NewRecords(file), c.routes.has)
	generic := o.Admission.GenericAdmission
	generic.Decorators = append(admission.Decorators{answers}, generic.Decorators...)
	return answers, nil
}

// runAPIServer does what kube-apiserver's own Run does, and has webhooks answered.
func runAPIServer(ctx context.Context, o options.CompletedOptions, answers *webhooks.Answers) error {
	config, err := apiserver.NewConfig(o)
	if err != nil {
		return err
	}
	if err := answers.Use(config.KubeAPIs.ControlPlane.VersionedInformers); err != nil {
		return err
	}
	extensions := &config.ApiExtensions.ExtraConfig
	upstream := extensions.AuthResolverWrapper
	extensions.AuthResolverWrapper = func(r webhookutil.AuthenticationInfoResolver) webhookutil.AuthenticationInfoResolver {
		return answers.Wrapper(webhooks.Conversion)(upstream(r))
	}
	completed, err := config.Complete()
	if err != nil {
		return err
	}
	server, err := apiserver.CreateServerChain(completed)
	if err != nil {
		return err
	}
	prepared, err := server.PrepareRun()
	if err != nil {
		return err
	}
	return prepared.Run(ctx)
}
