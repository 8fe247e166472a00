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
			f.claims("", o.Object) // whose it is, its name does not say
		}
	}
	return f, nil
}

// operated notes the images of what a stand-in has in place of an operator's work.
func (f facts) operated(o *unstructured.Unstructured) error {
	later := facts{}
	err := later.pods(o, nil)
	for i := range later.images() {
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
	f.spec(name, &pod.Spec, own)
	for _, l := range []psa.Level{psa.LevelRestricted, psa.LevelBaseline, psa.LevelPrivileged} {
		if allowed(l, &pod) {
			f.add(level, fmt.Sprintf("%s: %s", name, l))
			break
		}
	}
	templates, _, err := unstructured.NestedSlice(o.Object, "spec", "volumeClaimTemplates")
	for _, t := range templates {
		f.claims(name, t.(map[string]any))
	}
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			f.add(claim, name+" has one of its own")
		}
	}
	return err
}

func (f facts) claims(of string, o map[string]any) {
	size, _, _ := unstructured.NestedString(o, "spec", "resources", "requests", "storage")
	f.add(claim, of+" "+size)
}

// spec reads images and Secrets from a workload's pod.
func (f facts) spec(workload string, pod *corev1.PodSpec, own map[string]bool) {
	read := func(name, key string, optional *bool) {
		if name != "" && !own[name] && (optional == nil || !*optional) {
			f.add(secret, workload+": "+name+"/"+key)
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
		f.add(image, workload+": "+c.Image)
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
		if kind == mention {
			continue // see startedLater
		}
		for text := range real[kind] {
			if !standIn[kind][text] && !(kind == secret && whole(text, standIn)) {
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

// startedLater lists the differences between the images that a chart only names, in an argument or a
// custom resource, and those that its stand-in runs in their place; later are those that a program
// starts by itself, which no rehearsal sees.
func startedLater(real, standIn facts, later []string) []string {
	full := func(image string) string {
		name, version := catalogue.SplitImage(image)
		host, repository := catalogue.Registry(name)
		return host + "/" + repository + version
	}
	runs, names := map[string]bool{}, map[string]bool{}
	for i := range standIn.images() {
		runs[full(i)] = true
	}
	for i := range real.images() {
		names[full(i)] = true
	}
	var out []string
	for i := range real[mention] {
		name, _ := catalogue.SplitImage(i)
		if !standIn[mention][i] && !runs[full(i)] && !slices.ContainsFunc(later, func(l string) bool { return strings.HasSuffix(name, l) }) {
			out = append(out, "the chart names "+i+", which nothing of the stand-in runs: list it under later")
		}
	}
	for i := range standIn[mention] {
		if !real[mention][i] && !names[full(i)] {
			out = append(out, "an operator is to run "+i+", which the chart does not name")
		}
	}
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

// images are those that are run, without whose they are.
func (f facts) images() map[string]bool {
	out := map[string]bool{}
	for i := range f[image] {
		_, name, _ := strings.Cut(i, ": ")
		out[name] = true
	}
	return out
}

// untagged drops the versions of images, where charts of two versions are compared.
func (f facts) untagged() {
	for _, kind := range []string{image, mention} {
		plain := map[string]bool{}
		for i := range f[kind] {
			of, image, found := strings.Cut(i, ": ")
			if !found {
				of, image = "", i
			}
			name, _ := catalogue.SplitImage(image)
			plain[of+": "+name] = true
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
