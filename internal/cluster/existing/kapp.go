package existing

import (
	"bytes"
	"context"
	_ "embed"
	"time"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/kube"
)

// kappController is what kapp-controller's release installs, rendered from its
// module's config; an end-to-end test compares it with the embedded tier's.
//
//go:embed kapp-controller.yaml
var kappController []byte

// KappControllerManifest is what is installed where there is no kapp-controller.
func KappControllerManifest() []byte { return kappController }

const kappNamespace = "kapp-controller"

// addKappController installs kapp-controller where the cluster has none; a TKG
// cluster has.
func (c *Cluster) addKappController(ctx context.Context, found inventory) error {
	if !found.secretgen {
		if err := c.applyManifest(ctx, cluster.SecretgenKinds); err != nil {
			return err
		}
		c.blindSpot("secretgen-controller does not run here: SecretExports and SecretImports stay as they are")
	}
	if found.kapp {
		return nil
	}
	c.added.kapp = true
	global := c.PackagingGlobalNamespace
	manifest := bytes.ReplaceAll(kappController, []byte("GLOBAL_NAMESPACE"), []byte(global))
	manifest = bytes.ReplaceAll(manifest, []byte("image: kapp-controller\n"), []byte("image: "+c.Images.At(c.Images.KappController)+"\n"))
	if err := c.client.Apply(ctx, c.labelled(kube.Object("v1", "Namespace", "", global, nil))...); err != nil {
		return err
	}
	if err := c.applyManifest(ctx, manifest); err != nil {
		return err
	}
	if err := c.awaitPod(ctx, kappNamespace, "", "app=kapp-controller", 5*time.Minute); err != nil {
		return err
	}
	return c.client.AwaitAvailable(ctx, "v1alpha1.data.packaging.carvel.dev")
}

func (c *Cluster) applyManifest(ctx context.Context, manifest []byte) error {
	objects, err := kube.Decode(manifest)
	if err != nil {
		return err
	}
	return c.client.ApplyServed(ctx, c.labelled(objects...)...)
}
