package promote

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"seatrial.dev/seatrial/internal/artifact"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/hint"
	"seatrial.dev/seatrial/internal/kube"
)

// The parts of a cosign signature:
// https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
const (
	simpleSigning    = types.MediaType("application/vnd.dev.cosign.simplesigning.v1+json")
	cosignAnnotation = "dev.cosignproject.cosign/signature"
)

// repository is the target's OCI repository.
func (p *promotion) repository() (name.Repository, error) {
	text := strings.TrimPrefix(p.target.Delivery.URL, "oci://")
	host, _, _ := strings.Cut(text, "/")
	if before, _, _ := strings.Cut(host, ":"); before == "127.0.0.1" || before == "localhost" {
		return name.NewRepository(text, name.Insecure)
	}
	return name.NewRepository(text)
}

func options(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
}

// artifact is a commit's tree as a Flux artifact. The same commit always gives the same digest.
func (p *promotion) artifact(ctx context.Context, commit string) (v1.Image, error) {
	files, err := p.Clone.Files(ctx, commit)
	if err != nil {
		return nil, err
	}
	made, err := p.Clone.Committed(ctx, commit)
	if err != nil {
		return nil, err
	}
	annotations := map[string]string{"org.opencontainers.image.created": made.UTC().Format(time.RFC3339), artifact.Revision: "sha1:" + commit}
	if source, err := p.Clone.URL(ctx, p.target.Delivery.Remote); err == nil && !strings.Contains(source, "@") { // which may be a password
		annotations["org.opencontainers.image.source"] = source
	}
	return artifact.Make(files, annotations)
}

// published looks at what the tag holds, and sees that the commit only moves it forward.
func (p *promotion) published(ctx context.Context) error {
	repository, err := p.repository()
	if err != nil {
		return err
	}
	tag := repository.Tag(p.target.Delivery.Tag)
	got, err := remote.Image(tag, options(ctx)...)
	var absent *transport.Error
	if errors.As(err, &absent) && absent.StatusCode == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return hint.Wrap(fmt.Errorf("read %s: %w", tag, err), "see that docker login works for the registry")
	}
	manifest, err := got.Manifest()
	if err != nil {
		return err
	}
	p.base = strings.TrimPrefix(manifest.Annotations[artifact.Revision], "sha1:")
	p.result.Base = p.base
	if p.delivered = p.base == p.head; p.delivered {
		return nil
	}
	if forward, err := p.Clone.Contains(ctx, p.head, p.base); err != nil || !forward {
		p.refuse(fmt.Sprintf("%s holds %q, which this commit does not come after", tag, p.base), "bring that commit in, rehearse the outcome and promote it")
	}
	return p.refused()
}

// push pushes the artifact, then its signature, and only then the tag that the cluster tracks: what
// it fetches is signed.
func (p *promotion) push(ctx context.Context) error {
	if p.Resume && !p.delivered {
		p.refuse(fmt.Sprintf("there is nothing to resume: %s:%s holds %.12s", p.target.Delivery.URL, p.target.Delivery.Tag, cmp.Or(p.base, "nothing")), "promote without --resume")
		return ErrRefused
	}
	if err := p.sendEvidence(ctx); err != nil {
		return err
	}
	return p.pushCommit(ctx, p.head)
}

func (p *promotion) pushCommit(ctx context.Context, commit string) error {
	repository, err := p.repository()
	if err != nil {
		return err
	}
	image, err := p.artifact(ctx, commit)
	if err != nil {
		return err
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	if err := remote.Write(repository.Digest(digest.String()), image, options(ctx)...); err != nil {
		return fmt.Errorf("push the artifact: %w", err)
	}
	if err := p.sign(ctx, repository, digest); err != nil {
		return fmt.Errorf("sign the artifact: %w", err)
	}
	if err := remote.Tag(repository.Tag(p.target.Delivery.Tag), image, options(ctx)...); err != nil {
		return fmt.Errorf("tag the artifact: %w", err)
	}
	p.landed, p.result.Delivered = digest.String(), commit
	p.result.Artifact = p.target.Delivery.URL + "@" + digest.String()
	return nil
}

// sign pushes a cosign signature of a manifest, beside it.
func (p *promotion) sign(ctx context.Context, repository name.Repository, digest v1.Hash) error {
	if p.SigningKey == nil {
		p.Console.Note("no signing key given: the artifact is not signed, and a cluster whose OCIRepository verifies does not take it")
		return nil
	}
	payload, err := json.Marshal(map[string]any{
		"critical": map[string]any{
			"identity": map[string]any{"docker-reference": repository.Name()},
			"image":    map[string]any{"docker-manifest-digest": digest.String()},
			"type":     "cosign container image signature",
		},
		"optional": nil,
	})
	if err != nil {
		return err
	}
	signature, err := p.SigningKey.Sign(ctx, payload)
	if err != nil {
		return err
	}
	image, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), mutate.Addendum{
		Layer: static.NewLayer(payload, simpleSigning), MediaType: simpleSigning,
		Annotations: map[string]string{cosignAnnotation: base64.StdEncoding.EncodeToString(signature)},
	})
	if err != nil {
		return err
	}
	return remote.Write(repository.Tag(strings.Replace(digest.String(), ":", "-", 1)+".sig"), image, options(ctx)...)
}

// installOCI installs Flux, and has it sync the artifact: only what the key signed, if one is given.
func (p *promotion) installOCI(ctx context.Context) error {
	if err := p.flux(ctx, nil, "check", "--pre"); err != nil {
		return err
	}
	args := []string{"install", "--timeout=10m"}
	if c := p.target.Delivery.Components; len(c) > 0 {
		args = append(args, "--components="+strings.Join(c, ","))
	}
	if c := p.context(); c != "" {
		args = append(args, "--context="+c)
	}
	if err := p.flux(ctx, nil, args...); err != nil {
		return err
	}
	root := gitops.RootLayer
	source := map[string]any{"interval": "1m", "url": p.target.Delivery.URL, "ref": map[string]any{"tag": p.target.Delivery.Tag}}
	repository, err := p.repository()
	if err != nil {
		return err
	}
	if repository.Scheme() == "http" {
		source["insecure"] = true
	}
	if p.SigningKey != nil {
		const verifier = "seatrial-cosign"
		public, err := p.SigningKey.PublicPEM()
		if err != nil {
			return err
		}
		if err := p.client.Apply(ctx, kube.Object("v1", "Secret", root.Namespace, verifier, map[string]any{"stringData": map[string]any{"cosign.pub": string(public)}})); err != nil {
			return err
		}
		source["verify"] = map[string]any{"provider": "cosign", "secretRef": map[string]any{"name": verifier}}
	}
	spec := map[string]any{"interval": "10m", "prune": true, "path": "./" + p.target.Path, "sourceRef": map[string]any{"kind": ociRepository, "name": root.Name}}
	if l := p.repo.Layer(root); l != nil && l.Decrypts {
		spec["decryption"] = map[string]any{"provider": "sops", "secretRef": map[string]any{"name": l.DecryptionSecret.Name}}
	}
	return p.client.Apply(ctx,
		kube.Object("source.toolkit.fluxcd.io/v1", ociRepository, root.Namespace, root.Name, map[string]any{"spec": source}),
		kube.Object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", root.Namespace, root.Name, map[string]any{"spec": spec}))
}

// revertOCI has the tag hold the artifact of an earlier commit again.
func (p *promotion) revertOCI(ctx context.Context, to string) error {
	if err := p.pushCommit(ctx, to); err != nil {
		return err
	}
	p.result.Back = to
	if err := p.ask(ctx); err != nil {
		return err
	}
	return p.watchBack(ctx, p.landed)
}
