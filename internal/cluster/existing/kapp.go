package existing

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"time"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/kube"
)

// kappController is what kapp-controller's release installs, rendered from its
// module's config; an end-to-end test compares it with the embedded tier's.
//
//go:embed kapp-controller.yaml
var kappController []byte

// KappControllerManifest returns the built-in manifest. It is installed where there is no
// kapp-controller and the user gives an image for it; otherwise upstream's release is.
func KappControllerManifest() []byte { return kappController }

const kappNamespace = "kapp-controller"

// podTime is how long a pod may take to be ready, with the pull of its image.
const podTime = 5 * time.Minute

// addSecretgen installs secretgen-controller where the cluster has none. If its release
// can't be downloaded, only its CRDs are installed.
func (c *Cluster) addSecretgen(ctx context.Context, found contents) error {
	if found.secretgen {
		return nil
	}
	manifest, err := secretgenRelease.fetch(ctx)
	if err != nil {
		c.Note("secretgen-controller's release can't be had: only its kinds are installed")
		c.blindSpot(finding.SecretgenAbsent, "secretgen-controller does not run here (%v): SecretExports and SecretImports stay as they are", err)
		return c.applyManifest(ctx, cluster.SecretgenKinds)
	}
	if err := c.applyManifest(ctx, c.Images.at(manifest)); err != nil {
		return err
	}
	return c.awaitPod(ctx, "secretgen-controller", "", "app=secretgen-controller", podTime)
}

// addKappController installs kapp-controller where the cluster has none. A TKG cluster has one.
func (c *Cluster) addKappController(ctx context.Context, found contents) error {
	if found.kapp {
		return nil
	}
	manifest, err := c.kappManifest(ctx)
	if err != nil {
		return err
	}
	if err := c.makeNamespace(ctx, c.PackagingGlobalNamespace, nil); err != nil {
		return err
	}
	if err := c.applyManifest(ctx, manifest); err != nil {
		return err
	}
	if err := c.awaitPod(ctx, kappNamespace, "", "app=kapp-controller", podTime); err != nil {
		return err
	}
	return c.client.AwaitAvailable(ctx, "v1alpha1.data.packaging.carvel.dev")
}

// kappManifest is upstream's release, or the built-in one with an image of the user's.
func (c *Cluster) kappManifest(ctx context.Context) ([]byte, error) {
	global := []byte(c.PackagingGlobalNamespace)
	if image := c.Images.KappController; image != "" {
		manifest := bytes.ReplaceAll(kappController, []byte("GLOBAL_NAMESPACE"), global)
		return bytes.ReplaceAll(manifest, []byte("image: kapp-controller\n"), []byte("image: "+c.Images.At(image)+"\n")), nil
	}
	manifest, err := kappRelease.fetch(ctx)
	if err != nil {
		return nil, fmt.Errorf("get kapp-controller's release: %w (--kapp-controller-image installs the built-in one)", err)
	}
	return c.Images.at(bytes.ReplaceAll(manifest, []byte("kapp-controller-packaging-global"), global)), nil
}

func (c *Cluster) applyManifest(ctx context.Context, manifest []byte) error {
	objects, err := kube.Decode(manifest)
	if err != nil {
		return err
	}
	return c.client.ApplyServed(ctx, c.labelled(objects...)...)
}
