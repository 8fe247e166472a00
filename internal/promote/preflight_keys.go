package promote

import (
	"context"
	"fmt"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/verdict"
)

// keys looks for the Secrets that the layers decrypt with: one that is missing has to be given, and has to fit.
func (p *promotion) keys(ctx context.Context) error {
	for _, ref := range keySecrets(p.repo) {
		_, err := p.client.Typed.CoreV1().Secrets(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		if err == nil {
			continue
		}
		if !apierrors.IsNotFound(err) {
			if skip, err := p.forbidden(err, "Secret "+ref.String()); skip {
				return err
			}
		}
		p.missing = append(p.missing, ref)
		if p.AgeKey == nil {
			p.differs(finding.Error, finding.ClusterDiffers, "Secret/"+ref.String(), "give the age key: --age-key FILE", "the layers decrypt with it, and it is not there")
		}
	}
	if len(p.missing) == 0 || p.AgeKey == nil {
		return nil
	}
	for _, l := range p.repo.Layers {
		for _, o := range l.Objects {
			fits := len(p.AgeKey.Fingerprints()) > 0 || slices.ContainsFunc(o.Recipients, func(r string) bool { return slices.Contains(p.AgeKey.Recipients(), r) })
			if o.Encrypted && len(o.Recipients) > 0 && !fits && slices.Contains(p.missing, l.DecryptionSecret) {
				p.result.Preflight = append(p.result.Preflight, finding.Finding{
					Code: finding.SOPSRecipient, Severity: finding.Error, Layer: l.Title(), Object: o.Identity(), File: o.File, Line: o.Line,
					Message: "it is not encrypted for the age key that is given: the cluster could not decrypt it", Fix: "give the key that the repo is encrypted for",
				})
			}
		}
	}
	return nil
}

// sees asks whether the account may watch what the layers consist of: what it can't see can't pass.
func (p *promotion) sees(ctx context.Context) error {
	for _, gk := range append(slices.Clone(verdict.Tracked), verdict.Referred()...) {
		m, err := p.client.Mapping(gk, "")
		if meta.IsNoMatchError(err) {
			continue // it comes with the bootstrap, or with a chart
		}
		if err != nil {
			return err
		}
		for _, verb := range []string{"list", "watch"} {
			allowed, err := p.may(ctx, verb, m.Resource.Group, m.Resource.Resource, "")
			if err != nil {
				return err
			}
			if !allowed {
				p.differs(finding.Error, finding.LacksRights, "", "give a kubeconfig of an account that may", "the account may not %s %s in all namespaces: what becomes of the layers could not be seen", verb, m.Resource.Resource)
				break
			}
		}
	}
	return nil
}

// may asks whether the account may do something.
func (p *promotion) may(ctx context.Context, verb, group, resource, namespace string) (bool, error) {
	got, err := p.client.Typed.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: group, Resource: resource, Namespace: namespace}},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask for the account's rights: %w", err)
	}
	return got.Status.Allowed, nil
}
