// Package watch keeps a current view of a cluster's objects: an informer for each kind
// of interest, which watches and never polls.
package watch

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"

	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/live"
)

// View is a set of watched kinds. It implements live.View.
type View struct {
	ctx     context.Context
	client  *kube.Client
	factory dynamicinformer.DynamicSharedInformerFactory
	changed chan struct{}

	mu    sync.Mutex
	kinds map[schema.GroupKind]*kind
	gone  []*unstructured.Unstructured
}

// maxGone is how many removed Jobs are remembered.
const maxGone = 1000

type kind struct {
	informer cache.SharedIndexInformer
	missing  bool // nothing serves the kind
	asked    time.Time
}

// New makes an empty view. Its watches end with ctx.
func New(ctx context.Context, client *kube.Client) *View {
	return &View{
		ctx: ctx, client: client, changed: make(chan struct{}, 1), kinds: map[schema.GroupKind]*kind{},
		factory: dynamicinformer.NewDynamicSharedInformerFactory(client.Dynamic, 0),
	}
}

// Changed gets a value after one or more changes.
func (v *View) Changed() <-chan struct{} { return v.changed }

func (v *View) notify() {
	select {
	case v.changed <- struct{}{}:
	default:
	}
}

// Watch starts to watch a kind, unless it is watched already. A kind that is not served is
// looked up again in a call at least a second later, as its CRD may be installed by then.
func (v *View) Watch(gk schema.GroupKind) {
	v.mu.Lock()
	defer v.mu.Unlock()
	k := v.kinds[gk]
	if k != nil && (!k.missing || time.Since(k.asked) < time.Second) {
		return
	}
	m, err := v.client.Mapping(gk, "")
	if err != nil {
		v.kinds[gk] = &kind{missing: meta.IsNoMatchError(err), asked: time.Now()}
		if !meta.IsNoMatchError(err) {
			delete(v.kinds, gk)
		}
		return
	}
	informer := v.factory.ForResource(m.Resource).Informer()
	_ = informer.SetTransform(slim) // fails only if the informer runs already
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { v.notify() },
		UpdateFunc: func(any, any) { v.notify() },
		DeleteFunc: func(o any) {
			v.remember(o)
			v.notify()
		},
	}); err != nil {
		return
	}
	v.kinds[gk] = &kind{informer: informer}
	go informer.Run(v.ctx.Done())
	go func() {
		cache.WaitForCacheSync(v.ctx.Done(), informer.HasSynced)
		v.notify()
	}()
}

// remember keeps a removed Job.
func (v *View) remember(o any) {
	if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = unknown.Obj
	}
	u, ok := o.(*unstructured.Unstructured)
	v.mu.Lock()
	defer v.mu.Unlock()
	if ok && u.GetKind() == "Job" && len(v.gone) < maxGone {
		v.gone = append(v.gone, u)
	}
}

// Gone implements live.View.
func (v *View) Gone() []*unstructured.Unstructured {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.gone)
}

// Synced says whether the informers of all watched kinds have synced.
func (v *View) Synced() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, k := range v.kinds {
		if k.informer != nil && !k.informer.HasSynced() {
			return false
		}
	}
	return true
}

// slim drops what no rule reads, to save memory: managed fields, the values (but not
// the keys) of Secrets and ConfigMaps, the content of Carvel's internal packages, and
// the versions of CRDs.
func slim(o any) (any, error) {
	if u, ok := o.(*unstructured.Unstructured); ok {
		u.SetManagedFields(nil)
		if u.GetKind() == "Secret" || u.GetKind() == "ConfigMap" || strings.HasPrefix(u.GetKind(), "Internal") {
			for _, field := range []string{"stringData", "spec"} {
				delete(u.Object, field)
			}
			for _, field := range []string{"data", "binaryData"} {
				if values, ok := u.Object[field].(map[string]any); ok {
					for key := range values {
						values[key] = "" // rules only need to know that the key exists
					}
				}
			}
		}
		if u.GetKind() == "CustomResourceDefinition" {
			unstructured.RemoveNestedField(u.Object, "spec", "versions")
		}
	}
	return o, nil
}

// Get implements live.View.
func (v *View) Get(ref live.Ref) (*unstructured.Unstructured, bool) {
	v.mu.Lock()
	k := v.kinds[ref.GroupKind]
	v.mu.Unlock()
	if k == nil || k.informer == nil || !k.informer.HasSynced() {
		return nil, false
	}
	key := ref.Name
	if ref.Namespace != "" {
		key = ref.Namespace + "/" + ref.Name
	}
	o, exists, err := k.informer.GetStore().GetByKey(key)
	if err != nil || !exists {
		return nil, true
	}
	return o.(*unstructured.Unstructured), true
}

// List implements live.View.
func (v *View) List(gk schema.GroupKind) []*unstructured.Unstructured {
	v.mu.Lock()
	k := v.kinds[gk]
	v.mu.Unlock()
	if k == nil || k.informer == nil {
		return nil
	}
	var out []*unstructured.Unstructured
	for _, o := range k.informer.GetStore().List() {
		out = append(out, o.(*unstructured.Unstructured))
	}
	return out
}
