package promote

import (
	"context"
	"fmt"
	"path"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/kube"
)

// genuine says whether the files that a commit has where flux bootstrap writes are what it writes: anybody who may push
// could have put others there, which no rehearsal has seen.
func (p *promotion) genuine(ctx context.Context, commit string) (bool, error) {
	files := map[string][]byte{}
	for _, name := range []string{"gotk-components.yaml", "gotk-sync.yaml", "kustomization.yaml"} {
		text, err := p.Clone.File(ctx, commit, p.target.Path+"/flux-system/"+name)
		if err != nil {
			return false, err
		}
		files[name] = text
	}
	if !plainKustomization(files["kustomization.yaml"]) || !plainSync(files["gotk-sync.yaml"], p.target.Path) {
		return false, nil
	}
	if files["gotk-components.yaml"] == nil {
		return files["gotk-sync.yaml"] == nil && files["kustomization.yaml"] == nil, nil
	}
	args := []string{"install", "--export"}
	if c := p.target.Delivery.Components; len(c) > 0 {
		args = append(args, "--components="+strings.Join(c, ","))
	}
	want, err := p.Flux(ctx, nil, args...)
	if err != nil {
		return false, fmt.Errorf("flux install --export: %w\n%s", err, strings.TrimSpace(want))
	}
	return sameObjects([]byte(want), files["gotk-components.yaml"]), nil
}

// plainKustomization says whether a kustomization, which may be missing, does nothing but list flux bootstrap's files.
func plainKustomization(text []byte) bool {
	if text == nil {
		return true
	}
	var k map[string]any
	if yaml.Unmarshal(text, &k) != nil {
		return false
	}
	return reflect.DeepEqual(k, map[string]any{
		"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
		"resources": []any{"gotk-components.yaml", "gotk-sync.yaml"},
	})
}

// plainSync says whether a manifest, which may be missing, holds nothing but the source and the first layer that flux
// bootstrap writes for a folder.
func plainSync(text []byte, dir string) bool {
	if text == nil {
		return true
	}
	objects, err := kube.Decode(text)
	if err != nil || len(objects) != 2 {
		return false
	}
	allowed := map[string][]string{
		gitRepository:   {"interval", "ref", "secretRef", "url", "timeout"},
		"Kustomization": {"interval", "path", "prune", "sourceRef", "timeout", "decryption"},
	}
	for _, o := range objects {
		keys := allowed[o.GetKind()]
		spec, _, _ := unstructured.NestedMap(o.Object, "spec")
		if keys == nil || o.GetName() != gitops.RootLayer.Name || o.GetNamespace() != gitops.RootLayer.Namespace {
			return false
		}
		delete(allowed, o.GetKind())
		for key := range spec {
			if !strings.Contains(" "+strings.Join(keys, " ")+" ", " "+key+" ") {
				return false
			}
		}
		if at, _, _ := unstructured.NestedString(spec, "path"); o.GetKind() == "Kustomization" && path.Clean("/"+at) != path.Clean("/"+dir) {
			return false
		}
	}
	return true
}

// sameObjects says whether two manifests hold the same objects.
func sameObjects(a, b []byte) bool {
	of := func(text []byte) map[string]any {
		objects, err := kube.Decode(text)
		out := map[string]any{}
		for _, o := range objects {
			out[o.GetAPIVersion()+" "+gitops.Identity(o.GetKind(), o.GetNamespace(), o.GetName())] = o.Object
		}
		if err != nil || len(out) != len(objects) {
			return nil
		}
		return out
	}
	left, right := of(a), of(b)
	return left != nil && reflect.DeepEqual(left, right)
}
