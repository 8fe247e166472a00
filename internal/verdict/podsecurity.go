package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	psa "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/platform"
)

// levels are those of Pod Security, the strictest first.
var levels = []psa.Level{psa.LevelRestricted, psa.LevelBaseline, psa.LevelPrivileged}

// security holds workloads against the Pod Security level of their namespace, with the code
// that the API server runs: the objects that own pods are admitted whatever their pods are.
type security struct {
	lookup
	platform platform.Platform
	// enforced says that this cluster enforces the platform's default, too.
	enforced bool
}

// evaluator is Pod Security's own. Its checks are built in, so an error is a defect of the library.
var evaluator = sync.OnceValue(func() policy.Evaluator {
	e, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		panic(err)
	}
	return e
})

// level is what a namespace enforces, and whether a label says so.
func (s security) level(namespace string) (psa.LevelVersion, bool) {
	ns, known := s.view.Get(live.Ref{GroupKind: namespaceKind, Name: namespace})
	if !known || ns == nil {
		return psa.LevelVersion{Level: psa.LevelPrivileged, Version: psa.LatestVersion()}, false
	}
	labels := ns.GetLabels()
	version, err := psa.ParseVersion(cmp.Or(labels[psa.EnforceVersionLabel], "latest"))
	if err != nil {
		version = psa.LatestVersion() // as the API server does
	}
	if level, err := psa.ParseLevel(labels[psa.EnforceLevelLabel]); err == nil {
		return psa.LevelVersion{Level: level, Version: version}, true
	}
	byDefault := psa.Level(cmp.Or(s.platform.PodSecurity, string(psa.LevelPrivileged)))
	if slices.Contains(platform.Exempt, namespace) {
		byDefault = psa.LevelPrivileged
	}
	return psa.LevelVersion{Level: byDefault, Version: version}, false
}

// refused returns a finding if Pod Security does not admit a workload's pods.
func (s security) refused(u *unstructured.Unstructured, path []string) (finding.Finding, bool) {
	level, labelled := s.level(u.GetNamespace())
	if level.Level == psa.LevelPrivileged || !wantsPods(u) {
		return finding.Finding{}, false
	}
	template, _, _ := unstructured.NestedMap(u.Object, path[:len(path)-1]...)
	var pod corev1.PodTemplateSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, &pod); err != nil {
		return finding.Finding{}, false // not a pod that the API server would read, which is told otherwise
	}
	allowed := func(level psa.LevelVersion) policy.AggregateCheckResult {
		return policy.AggregateCheckResults(evaluator().EvaluatePod(level, &pod.ObjectMeta, &pod.Spec))
	}
	result := allowed(level)
	if result.Allowed || (labelled || s.enforced) && s.admitted(u, level) {
		return finding.Finding{}, false
	}
	needs := levels[slices.IndexFunc(levels, func(l psa.Level) bool { return allowed(psa.LevelVersion{Level: l, Version: level.Version}).Allowed })]
	f := s.owner(u)
	f.Code, f.Severity = finding.PodSecurity, finding.Error
	why := "which its label asks for"
	if !labelled {
		why = "which is enforced where a namespace has no label"
	}
	f.Message = fmt.Sprintf("Pod Security refuses the pods of %s %s: they don't meet %s, %s", u.GetKind(), u.GetName(), level.Level, why)
	f.Fix = fmt.Sprintf("label namespace %s%s with %s: %s, or set the pods' securityContext", u.GetNamespace(), s.declared(u.GetNamespace()), psa.EnforceLevelLabel, needs)
	if s.packaged(u.GetNamespace()) {
		f.Fix = fmt.Sprintf("have an overlay of the package label namespace %s with %s: %s (another layer's label would be taken away), or set the pods' securityContext", u.GetNamespace(), psa.EnforceLevelLabel, needs)
	}
	f.Evidence = fmt.Sprintf("violates PodSecurity %q: %s", level.String(), result.ForbiddenDetail())
	return f, true
}

// packaged says whether a package brings a namespace itself.
func (s security) packaged(namespace string) bool {
	ns, _ := s.view.Get(live.Ref{GroupKind: namespaceKind, Name: namespace})
	return ns != nil && ns.GetLabels()["kapp.k14s.io/app"] != ""
}

// declared is where the repo declares a namespace, in brackets; empty if it does not.
func (s security) declared(namespace string) string {
	for _, l := range s.layers {
		for _, o := range l.Layer.Objects {
			if o.GroupVersionKind().GroupKind() == namespaceKind && o.GetName() == namespace {
				return fmt.Sprintf(" (%s:%d)", o.File, o.Line)
			}
		}
	}
	return ""
}

// admitted says whether the cluster has let a workload's pods in although its template does not
// meet the level: a webhook changed them, so that they do. A pod from before the namespace enforced
// the level does not count, as the next one would be refused.
func (s security) admitted(u *unstructured.Unstructured, level psa.LevelVersion) bool {
	wanted, _, _ := unstructured.NestedStringMap(u.Object, "spec", "selector", "matchLabels")
	selector := labels.SelectorFromSet(wanted)
	for _, pod := range s.view.List(podKind) {
		if len(wanted) == 0 || pod.GetNamespace() != u.GetNamespace() || !selector.Matches(labels.Set(pod.GetLabels())) {
			continue
		}
		var p corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(pod.Object, &p); err != nil {
			continue
		}
		if policy.AggregateCheckResults(evaluator().EvaluatePod(level, &p.ObjectMeta, &p.Spec)).Allowed {
			return true
		}
	}
	return false
}

// wantsPods says whether a workload is to have pods at all: not one that is scaled to nothing or
// suspended, nor one for nodes of another system, which Pod Security has other rules for.
func wantsPods(u *unstructured.Unstructured) bool {
	replicas, scaled, _ := unstructured.NestedInt64(u.Object, "spec", "replicas")
	suspended, _, _ := unstructured.NestedBool(u.Object, "spec", "suspend")
	system, _, _ := unstructured.NestedString(u.Object, "spec", "template", "spec", "nodeSelector", "kubernetes.io/os")
	return !(scaled && replicas == 0) && !suspended && (system == "" || system == "linux")
}
