package charts

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	psa "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"seatrial.dev/seatrial/internal/catalogue"
)

// facts are what a rehearsal tells from a chart, each as a line of text, by their kind.
type facts map[string]map[string]bool

func (f facts) add(kind, text string) {
	if f[kind] == nil {
		f[kind] = map[string]bool{}
	}
	f[kind][text] = true
}

// kinds of facts.
const (
	workload = "workload"
	job      = "Job"
	service  = "Service"
	secret   = "Secret"
	image    = "image"
	crd      = "CRD"
	netpol   = "NetworkPolicy"
	claim    = "claim"
	level    = "Pod Security"
	mention  = "mention" // an image in an argument, a setting or a custom resource, which starts later
)

// reference is an image with a version, and --flag= or text before it.
var reference = regexp.MustCompile(`(?:^|["'=\s])((?:[a-z0-9.-]+(?::\d+)?/)?(?:[a-z0-9._-]+/)+[a-z0-9._-]+:v?\d[A-Za-z0-9_.-]*)(?:@sha256:[0-9a-f]+)?(?:["'\s,]|$)`)

// mentions adds the images that are named anywhere but in a container's field image.
func mentions(f facts, v any, key string) {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			if _, container := v["name"]; container && k == "image" {
				continue
			}
			mentions(f, inner, k)
		}
	case []any:
		for _, inner := range v {
			mentions(f, inner, key)
		}
	case string:
		for _, m := range reference.FindAllStringSubmatch(v, -1) {
			f.add(mention, m[1])
		}
	}
}

// drawn is a part of a name that a chart makes of a checksum or of its revision.
var drawn = regexp.MustCompile(`-([0-9a-f]{7,}|[0-9]+)(-|$)`)

// factsOf reads the facts from rendered manifests. Secrets in made count as the chart's own.
func factsOf(objects []*unstructured.Unstructured, made map[string]bool) (facts, error) {
	f := facts{}
	own := maps.Clone(made)
	for _, o := range objects {
		if o.GetKind() == "Secret" {
			own[o.GetName()] = true
		}
	}
	for _, o := range objects {
		if o.GetAnnotations()["seatrial.dev/made-by"] == "operator" {
			// On a real cluster, it comes of a custom resource that names the images.
			if err := f.operated(o); err != nil {
				return nil, err
			}
			continue
		}
		mentions(f, o.Object, "")
		switch o.GetKind() {
		case "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod":
			if err := f.pods(o, own); err != nil {
				return nil, fmt.Errorf("%s/%s: %w", o.GetKind(), o.GetName(), err)
			}
		case "Service":
			ports, _, _ := unstructured.NestedSlice(o.Object, "spec", "ports")
			var numbers []string
			for _, p := range ports {
				numbers = append(numbers, fmt.Sprint(p.(map[string]any)["port"]))
			}
			slices.Sort(numbers)
			f.add(service, o.GetName()+" "+strings.Join(slices.Compact(numbers), ","))
		case "CustomResourceDefinition":
			group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
			kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
			versions, _, _ := unstructured.NestedSlice(o.Object, "spec", "versions")
			for _, v := range versions {
				if served, _ := v.(map[string]any)["served"].(bool); served {
					f.add(crd, fmt.Sprintf("%s/%s/%s", group, v.(map[string]any)["name"], kind))
				}
			}
		case "NetworkPolicy":
			f.add(netpol, o.GetName())
		case "PersistentVolumeClaim":
			f.claims(o.Object)
		}
	}
	return f, nil
}

// operated notes the images of what a stand-in has in place of an operator's work.
func (f facts) operated(o *unstructured.Unstructured) error {
	later := facts{}
	err := later.pods(o, nil)
	for i := range later[image] {
		f.add(mention, i)
	}
	return err
}

// pods reads a workload.
func (f facts) pods(o *unstructured.Unstructured, own map[string]bool) error {
	at := []string{"spec", "template"}
	switch o.GetKind() {
	case "CronJob":
		at = []string{"spec", "jobTemplate", "spec", "template"}
	case "Pod":
		at = nil
	}
	template, _, err := unstructured.NestedMap(o.Object, at...)
	if err != nil {
		return err
	}
	var pod corev1.PodTemplateSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, &pod); err != nil {
		return err
	}
	name, kind := o.GetName(), workload
	if o.GetKind() == "Job" || o.GetKind() == "CronJob" {
		name, kind = drawn.ReplaceAllString(name, "$2"), job
		f.add(kind, name)
	} else {
		replicas, found, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
		if !found {
			replicas = 1
		}
		f.add(kind, fmt.Sprintf("%s/%s ×%d", o.GetKind(), name, replicas))
	}
	f.spec(&pod.Spec, own)
	for _, l := range []psa.Level{psa.LevelRestricted, psa.LevelBaseline, psa.LevelPrivileged} {
		if allowed(l, &pod) {
			f.add(level, fmt.Sprintf("%s: %s", name, l))
			break
		}
	}
	templates, _, err := unstructured.NestedSlice(o.Object, "spec", "volumeClaimTemplates")
	for _, t := range templates {
		f.claims(t.(map[string]any))
	}
	return err
}

func (f facts) claims(o map[string]any) {
	size, _, _ := unstructured.NestedString(o, "spec", "resources", "requests", "storage")
	f.add(claim, size)
}

// spec reads images and Secrets from a pod.
func (f facts) spec(pod *corev1.PodSpec, own map[string]bool) {
	read := func(name, key string, optional *bool) {
		if name != "" && !own[name] && (optional == nil || !*optional) {
			f.add(secret, name+"/"+key)
		}
	}
	items := func(s *corev1.SecretProjection) {
		if len(s.Items) == 0 {
			read(s.Name, "", s.Optional)
		}
		for _, i := range s.Items {
			read(s.Name, i.Key, s.Optional)
		}
	}
	for _, c := range append(slices.Clone(pod.InitContainers), pod.Containers...) {
		f.add(image, c.Image)
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				read(e.ValueFrom.SecretKeyRef.Name, e.ValueFrom.SecretKeyRef.Key, e.ValueFrom.SecretKeyRef.Optional)
			}
		}
		for _, e := range c.EnvFrom {
			if e.SecretRef != nil {
				read(e.SecretRef.Name, "", e.SecretRef.Optional)
			}
		}
	}
	for _, v := range pod.Volumes {
		if s := v.Secret; s != nil {
			items(&corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: s.SecretName}, Items: s.Items, Optional: s.Optional})
		}
		if v.Projected != nil {
			for _, s := range v.Projected.Sources {
				if s.Secret != nil {
					items(s.Secret)
				}
			}
		}
	}
}

// allowed says whether Pod Security admits a pod at a level, by the code that the API server runs.
func allowed(l psa.Level, pod *corev1.PodTemplateSpec) bool {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		panic(err)
	}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(psa.LevelVersion{Level: l, Version: psa.LatestVersion()}, &pod.ObjectMeta, &pod.Spec))
	return result.Allowed
}

// differences lists the facts that only one side has, sorted.
func differences(real, standIn facts) []string {
	var out []string
	for kind := range union(real, standIn) {
		for text := range real[kind] {
			if !standIn[kind][text] && kind != mention && !(kind == secret && whole(text, standIn)) {
				out = append(out, fmt.Sprintf("%s: only the chart has %s", kind, text))
			}
		}
		for text := range standIn[kind] {
			if !real[kind][text] && !(kind == secret && real[kind][text[:strings.IndexByte(text, '/')+1]]) {
				out = append(out, fmt.Sprintf("%s: only the stand-in has %s", kind, text))
			}
		}
	}
	slices.Sort(out)
	return out
}

// whole says whether a Secret is mounted as a whole, and the other side reads any key of it.
func whole(text string, other facts) bool {
	for have := range other[secret] {
		if strings.HasSuffix(text, "/") && strings.HasPrefix(have, text) {
			return true
		}
	}
	return false
}

// untagged drops the versions of images, where charts of two versions are compared.
func (f facts) untagged() {
	for _, kind := range []string{image, mention} {
		plain := map[string]bool{}
		for i := range f[kind] {
			name, _ := catalogue.SplitImage(i)
			plain[name] = true
		}
		f[kind] = plain
	}
}

func union(a, b facts) map[string]bool {
	out := map[string]bool{}
	for _, f := range []facts{a, b} {
		for kind := range f {
			out[kind] = true
		}
	}
	return out
}
