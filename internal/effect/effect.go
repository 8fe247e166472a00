// Package effect knows how objects end that a controller acts on which a rehearsal does not run: what their status
// is when all is well. A layer that waits for them is not to fail for want of that controller; what the
// controller would have said of them stays unseen, and is told so.
//
// Each file of the folder effects is about kinds of one project. It is pure: applying an effect is the caller's.
package effect

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/gitops"
)

// effects are the files, each a list of effects.
//
//go:embed effects/*.yaml
var effects embed.FS

// known is one effect.
type known struct {
	// Kinds it is of, as Kind.group.
	Kinds []string `json:"kinds"`
	// Conditions that are true beside Ready; Not are those that are false, with their reason.
	Conditions []string          `json:"conditions"`
	Not        map[string]string `json:"not"`
	// Status is the rest of the status.
	Status map[string]any `json:"status"`
}

var table = sync.OnceValue(func() map[string]known {
	all, err := read(effects)
	if err != nil {
		panic(err) // a test reads them, too
	}
	return all
})

func read(files fs.FS) (map[string]known, error) {
	out := map[string]known{}
	names, err := fs.Glob(files, "effects/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		var list []known
		if err := yaml.UnmarshalStrict(b, &list); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, e := range list {
			for _, kind := range e.Kinds {
				if _, twice := out[kind]; twice {
					return nil, fmt.Errorf("%s: %s has an effect already", name, kind)
				}
				out[kind] = e
			}
		}
	}
	return out, nil
}

// Ours says whether a kind's objects are acted on by nothing that a rehearsal runs: it is neither Kubernetes' own nor one of
// Flux or kapp-controller.
func Ours(gk schema.GroupKind) bool {
	if gk.Group == "image.toolkit.fluxcd.io" || gk.Group == "notification.toolkit.fluxcd.io" && gk.Kind == "Receiver" {
		return true // of controllers of Flux that no rehearsal needs
	}
	if !strings.Contains(gk.Group, ".") || strings.HasSuffix(gk.Group, ".k8s.io") && !strings.Contains(gk.Group, "x-k8s") && gk.Group != "gateway.networking.k8s.io" && gk.Group != "snapshot.storage.k8s.io" {
		return false
	}
	for _, end := range []string{".toolkit.fluxcd.io", "source.extensions.fluxcd.io", "packaging.carvel.dev", "kappctrl.k14s.io", "secretgen.carvel.dev", "secretgen.k14s.io"} {
		if strings.HasSuffix(gk.Group, end) {
			return false
		}
	}
	return true
}

// Waited are the kinds that something in a repo waits for and that nothing in a rehearsal acts on: those that layers' health
// checks name, and of what layers wait for as a whole those of Flux. Other kinds are current as long as nothing says otherwise.
func Waited(repo *gitops.Repo) []schema.GroupVersionKind {
	var out []schema.GroupVersionKind
	for _, l := range repo.Layers {
		asked := l.HealthChecked()
		for _, o := range l.Objects {
			if gvk := o.GroupVersionKind(); l.Wait && strings.HasSuffix(gvk.Group, ".toolkit.fluxcd.io") {
				asked = append(asked, gvk)
			}
		}
		for _, gvk := range asked {
			if Ours(gvk.GroupKind()) && !slices.Contains(out, gvk) {
				out = append(out, gvk)
			}
		}
	}
	return out
}

// Status is the status of an object when all is well; nil if it has that already.
func Status(u *unstructured.Unstructured, now time.Time) map[string]any {
	generation := u.GetGeneration()
	have, _, _ := unstructured.NestedMap(u.Object, "status")
	if seen, _, _ := unstructured.NestedInt64(have, "observedGeneration"); len(have) > 0 && (seen == generation || seen == 0) {
		return nil
	}
	gk := u.GroupVersionKind().GroupKind()
	e := table()[gk.Kind+"."+gk.Group]
	condition := func(name, status, reason string) any {
		return map[string]any{
			"type": name, "status": status, "reason": reason, "message": "taken for granted: nothing acts on it in a rehearsal",
			"lastTransitionTime": now.UTC().Format(time.RFC3339), "observedGeneration": generation,
		}
	}
	conditions := []any{condition("Ready", "True", "Rehearsed")}
	for _, name := range e.Conditions {
		conditions = append(conditions, condition(name, "True", "Rehearsed"))
	}
	for name, reason := range e.Not {
		conditions = append(conditions, condition(name, "False", reason))
	}
	out := map[string]any{"observedGeneration": generation, "conditions": conditions}
	for key, value := range e.Status {
		out[key] = runtime.DeepCopyJSONValue(value)
	}
	return out
}
