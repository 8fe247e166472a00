// Package kube talks to a Kubernetes API server: it reads manifests, applies
// them server-side and maps kinds to resources.
package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// FieldManager is the name under which Seatrial owns fields in server-side apply.
const FieldManager = "seatrial"

// Client is a connection to one cluster.
type Client struct {
	Config  *rest.Config
	Dynamic dynamic.Interface
	Typed   kubernetes.Interface

	mu     sync.Mutex
	mapper *restmapper.DeferredDiscoveryRESTMapper
}

// New makes a client for config; it sends nothing yet.
func New(config *rest.Config) (*Client, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = -1, -1 // no limit here: the server's own priority and fairness is enough
	config.WarningHandler = rest.NoWarnings{}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	return &Client{
		Config: config, Dynamic: dyn, Typed: typed,
		mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(disco)),
	}, nil
}

// Mapping returns the resource of a kind; an empty version stands for the preferred
// one. If the kind is unknown, discovery is repeated once, as CRDs come and go.
func (c *Client) Mapping(gk schema.GroupKind, version string) (*meta.RESTMapping, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, err := c.mapper.RESTMapping(gk, version)
	if meta.IsNoMatchError(err) {
		c.mapper.Reset()
		m, err = c.mapper.RESTMapping(gk, version)
	}
	return m, err
}

// Decode reads the objects of a stream of YAML or JSON documents. Empty documents are
// dropped, and lists are replaced by their items.
func Decode(manifest []byte) ([]*unstructured.Unstructured, error) {
	d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096)
	var out []*unstructured.Unstructured
	for {
		var content map[string]any
		err := d.Decode(&content)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if len(content) == 0 {
			continue
		}
		u := &unstructured.Unstructured{Object: content}
		if !u.IsList() {
			out = append(out, u)
			continue
		}
		err = u.EachListItem(func(o runtime.Object) error {
			out = append(out, o.(*unstructured.Unstructured))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
}

// Apply applies objects server-side, one after the other. While an object's kind or
// namespace does not exist, it tries again, for ten seconds per object.
func (c *Client) Apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	for _, o := range objects {
		if err := c.apply(ctx, o); err != nil {
			return fmt.Errorf("apply %s %s: %w", o.GetKind(), join(o.GetNamespace(), o.GetName()), err)
		}
	}
	return nil
}

func (c *Client) apply(ctx context.Context, o *unstructured.Unstructured) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := c.applyOnce(ctx, o)
		if err == nil || !(meta.IsNoMatchError(err) || apierrors.IsNotFound(err)) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (c *Client) applyOnce(ctx context.Context, o *unstructured.Unstructured) error {
	r, err := c.Resource(o)
	if err != nil {
		return err
	}
	_, err = r.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: FieldManager, Force: true})
	return err
}

// Annotate sets an annotation of the object that has o's kind, namespace and name. One that
// is gone is left alone.
func (c *Client) Annotate(ctx context.Context, o *unstructured.Unstructured, name, value string) error {
	r, err := c.Resource(o)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{name: value}}})
	if err != nil {
		return err
	}
	_, err = r.Patch(ctx, o.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: FieldManager})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// MakeNamespace creates a namespace with the labels of labels and more. One that exists
// is left as it is.
func (c *Client) MakeNamespace(ctx context.Context, name string, labels, more map[string]string) error {
	ns := Object("v1", "Namespace", "", name, nil)
	all := maps.Clone(labels)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, more)
	ns.SetLabels(all)
	r, err := c.Resource(ns)
	if err != nil {
		return err
	}
	if _, err = r.Create(ctx, ns, metav1.CreateOptions{FieldManager: FieldManager}); apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// Resource returns the client for an object's kind, in the object's namespace (default
// if it has none).
func (c *Client) Resource(o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := o.GroupVersionKind()
	m, err := c.Mapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, err
	}
	if m.Scope.Name() == meta.RESTScopeNameRoot {
		return c.Dynamic.Resource(m.Resource), nil
	}
	ns := o.GetNamespace()
	if ns == "" {
		ns = metav1.NamespaceDefault
	}
	return c.Dynamic.Resource(m.Resource).Namespace(ns), nil
}

// AwaitServed returns when every version that a CustomResourceDefinition wants
// served is part of discovery. If one is not after 30 seconds, that is an error.
func (c *Client) AwaitServed(ctx context.Context, crd *unstructured.Unstructured) error {
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	deadline := time.Now().Add(30 * time.Second)
	for _, v := range versions {
		m, _ := v.(map[string]any)
		if served, _ := m["served"].(bool); !served {
			continue
		}
		for {
			_, err := c.Mapping(schema.GroupKind{Group: group, Kind: kind}, fmt.Sprint(m["name"]))
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("%s is not served: %w", crd.GetName(), err)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

// ApplyServed applies objects as Apply does, and returns when the CRDs among them are served
// (see AwaitServed): a controller that starts before its kinds are served ends at once.
func (c *Client) ApplyServed(ctx context.Context, objects ...*unstructured.Unstructured) error {
	if err := c.Apply(ctx, objects...); err != nil {
		return err
	}
	return c.AwaitKinds(ctx, objects...)
}

// AwaitKinds returns when the CRDs among the objects are served (see AwaitServed).
func (c *Client) AwaitKinds(ctx context.Context, objects ...*unstructured.Unstructured) error {
	for _, o := range objects {
		if o.GetKind() != "CustomResourceDefinition" {
			continue
		}
		if err := c.AwaitServed(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// Object makes an object. The fields of content are copied first, so the other
// arguments win; it may be nil.
func Object(apiVersion, kind, namespace, name string, content map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	for k, v := range content {
		u.Object[k] = v
	}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

func join(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}
