package e2e

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"

	"seatrial.dev/seatrial/internal/kube"
)

func connect(t *testing.T, kubeconfig string) *kube.Client {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kube.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// namespaces lists a cluster's namespaces.
func namespaces(t *testing.T, kubeconfig string) []string {
	t.Helper()
	list, err := connect(t, kubeconfig).Typed.CoreV1().Namespaces().List(soon(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, n := range list.Items {
		out = append(out, n.Name)
	}
	return out
}

// images lists the images that the pods of a cluster run, except those of Flux and
// kapp-controller.
func images(t *testing.T, kubeconfig string) []string {
	t.Helper()
	list, err := connect(t, kubeconfig).Typed.CoreV1().Pods("").List(soon(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range list.Items {
		if p.Namespace == "flux-system" || p.Namespace == "kapp-controller" {
			continue
		}
		for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
			out = append(out, c.Image)
		}
	}
	if len(out) < 40 {
		t.Errorf("only %d images", len(out))
	}
	return out
}

// strict lets the API server validate every object of a manifest, unknown
// fields included, without applying it.
func strict(t *testing.T, kubeconfig, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := kube.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	client := connect(t, kubeconfig)
	for _, o := range objects {
		delete(o.Object, "sops") // what SOPS adds, and takes away again
		if o.GetKind() == "Secret" {
			delete(o.Object, "data")
			delete(o.Object, "stringData")
		}
		r, err := client.Resource(o)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		body, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		force := true
		if _, err := r.Patch(soon(t), o.GetName(), types.ApplyPatchType, body, metav1.PatchOptions{
			FieldManager: "strict", FieldValidation: metav1.FieldValidationStrict, Force: &force, DryRun: []string{metav1.DryRunAll},
		}); err != nil {
			t.Errorf("%s: %s %s: %v", file, o.GetKind(), o.GetName(), err)
		}
	}
}

// namespaceLabels returns the Pod Security label of a namespace.
func namespaceLabels(t *testing.T, kubeconfig, name string) string {
	t.Helper()
	ns, err := connect(t, kubeconfig).Typed.CoreV1().Namespaces().Get(soon(t), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ns.Labels["pod-security.kubernetes.io/enforce"]
}
