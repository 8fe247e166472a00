package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/pace"
)

// recipeVersion is part of the Recipe. Raise it when this file or seed.go makes another state
// from the same objects.
const recipeVersion = "3"

// Recipe is what decides the state that Seed returns, beside the engine.
func Recipe() []byte {
	out := []byte(recipeVersion)
	for _, o := range machines() {
		b, err := json.Marshal(o)
		if err != nil {
			panic(err) // they consist of strings and maps
		}
		out = append(out, b...)
	}
	return append(append(out, cluster.SecretgenKinds...), kappOptions+seedNamespace...)
}

// seedNamespace is the packaging global namespace that a seed's kapp-controller names. A
// rehearsal with another one changes that.
const seedNamespace = cluster.GlobalNamespace

// kappOptions are kapp-controller's configuration for how often kapp looks at what it waits
// for: by default every one or three seconds, which would be most of a package's installation.
const kappOptions = `["--apply-check-interval=100ms","--wait-check-interval=250ms"]`

// machines are three simulated nodes and a default StorageClass, as a repo expects them of
// a cluster.
func machines() []*unstructured.Unstructured {
	class := kube.Object("storage.k8s.io/v1", "StorageClass", "", "default", map[string]any{
		"provisioner": "seatrial.dev/simulated", "volumeBindingMode": "Immediate",
	})
	class.SetAnnotations(map[string]string{"storageclass.kubernetes.io/is-default-class": "true"})
	objects := []*unstructured.Unstructured{class}
	for i := range 3 {
		name := fmt.Sprintf("worker-%d", i+1)
		room := map[string]any{"cpu": "1k", "memory": "1Ti", "ephemeral-storage": "10Ti", "pods": "1M"}
		node := kube.Object("v1", "Node", "", name, map[string]any{"status": map[string]any{"capacity": room, "allocatable": maps.Clone(room)}})
		node.SetLabels(map[string]string{
			"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
			"topology.kubernetes.io/zone": fmt.Sprintf("zone-%d", i+1), "topology.kubernetes.io/region": "region-1",
		})
		objects = append(objects, node)
	}
	return objects
}

// seeded says whether the cluster begins with a seed.
func (c *Cluster) seeded() bool { return pace.Lively && c.Engine.Seed() != "" }

// installMachines adds the machines, and secretgen-controller's CRDs, which a cluster has as well.
func (c *Cluster) installMachines(ctx context.Context) error {
	if c.seeded() {
		return nil
	}
	if err := c.client.Apply(ctx, machines()...); err != nil {
		return err
	}
	kinds, err := kube.Decode(cluster.SecretgenKinds)
	if err != nil {
		return err
	}
	return c.client.ApplyServed(ctx, kinds...)
}

// installFlux applies what flux install would. No seed has source-watcher, as its kind is to be known only where
// it runs.
func (c *Cluster) installFlux(ctx context.Context) error {
	manifest, err := c.Engine.Manifest("flux")
	if err != nil {
		return err
	}
	objects, err := kube.Decode(manifest)
	if err != nil {
		return err
	}
	if err := c.install(ctx, objects); err != nil || !c.generates {
		return err
	}
	if manifest, err = c.Engine.WatcherManifest(); err != nil {
		return err
	}
	if objects, err = kube.Decode(manifest); err != nil {
		return err
	}
	return c.client.ApplyServed(ctx, objects...)
}

// installKappController applies the release's configuration: all of it, or if the cluster is
// seeded what no seed has: see kappObjects.
func (c *Cluster) installKappController(ctx context.Context) error {
	always, once, err := c.kappObjects()
	if err != nil {
		return err
	}
	if err := c.install(ctx, once); err != nil {
		return err
	}
	return c.client.Apply(ctx, append([]*unstructured.Unstructured{kube.Object("v1", "Namespace", "", c.PackagingGlobalNamespace, nil)}, always...)...)
}

// isAPIService says whether an object is the aggregated API: no seed has it, as whether it is
// available is for each cluster to find out.
func isAPIService(o *unstructured.Unstructured) bool { return o.GetKind() == "APIService" }

// kappConfig is the Secret with kapp-controller's configuration.
const kappConfig = "kapp-controller-config"

// kappObjects are the objects of kapp-controller's manifest: those that each rehearsal applies,
// as they name the packaging global namespace or the door, or are the aggregated API, and the others.
func (c *Cluster) kappObjects() (always, once []*unstructured.Unstructured, err error) {
	manifest, err := c.Engine.Manifest("kapp-controller")
	if err != nil {
		return nil, nil, err
	}
	placeholder := []byte("GLOBAL_NAMESPACE")
	for _, doc := range bytes.Split(manifest, []byte("\n---\n")) {
		objects, err := kube.Decode(bytes.ReplaceAll(doc, placeholder, []byte(c.PackagingGlobalNamespace)))
		if err != nil {
			return nil, nil, err
		}
		own, err := c.configureKapp(objects)
		if err != nil {
			return nil, nil, err
		}
		if own || bytes.Contains(doc, placeholder) || slices.ContainsFunc(objects, isAPIService) {
			always = append(always, objects...)
		} else {
			once = append(once, objects...)
		}
	}
	return always, once, err
}

// configureKapp completes kapp-controller's configuration, if it is among the objects: its tools take
// the door for a proxy.
func (c *Cluster) configureKapp(objects []*unstructured.Unstructured) (bool, error) {
	i := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "Secret" && o.GetName() == kappConfig })
	if i < 0 {
		return false, nil
	}
	set := map[string]string{"httpProxy": c.doorURL(), "httpsProxy": c.doorURL(), "noProxy": notThrough}
	if pace.Lively {
		set["kappDeployRawOptions"] = kappOptions
	}
	for key, value := range set {
		if err := unstructured.SetNestedField(objects[i].Object, value, "stringData", key); err != nil {
			return false, err
		}
	}
	return true, nil
}

// install applies objects that a seed has already, and returns when their kinds are served.
func (c *Cluster) install(ctx context.Context, objects []*unstructured.Unstructured) error {
	if c.seeded() {
		return c.client.AwaitKinds(ctx, objects...)
	}
	return c.client.ApplyServed(ctx, objects...)
}
