package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// Explain turns the final state of the layers into findings.
func (j *Judge) Explain(c Cluster, a Assessment) []finding.Finding {
	e := explainer{repo: j.repo, cluster: c}
	var out []finding.Finding
	for _, l := range a.Layers {
		switch l.Status {
		case Reconciled, Blocked:
		case Unreachable:
			out = append(out, e.unreachable(l)...)
		default:
			out = append(out, e.failed(l)...)
		}
	}
	return finding.Merge(out, nil)
}

type explainer struct {
	repo    *gitops.Repo
	cluster Cluster
}

// unreachable leaves cycles and dangling names to the static checks, which know their lines.
func (e explainer) unreachable(l *Layer) []finding.Finding {
	if l.Message != "it is suspended" {
		return nil
	}
	return []finding.Finding{{
		Code: finding.NotReconciled, Severity: finding.Warning, Layer: l.Name, Object: layerIdentity(l), File: l.File, Line: l.Line,
		Message: "the layer is suspended: it was not rehearsed", Fix: "set spec.suspend to false, or leave the layer out",
	}}
}

func layerIdentity(l *Layer) string { return gitops.Identity("Kustomization", l.Namespace, l.Name) }

func (e explainer) failed(l *Layer) []finding.Finding {
	var out []finding.Finding
	for _, b := range l.bad {
		out = append(out, e.object(l, b.ref, b.live, b.message))
	}
	if l.failing || len(out) == 0 {
		out = append(out, e.layer(l, len(out) > 0)...)
	}
	return out
}

// layer explains a layer by what Flux says of it.
func (e explainer) layer(l *Layer, known bool) []finding.Finding {
	message := l.Message
	base := finding.Finding{Severity: finding.Error, Layer: l.Name, Object: layerIdentity(l), File: l.File, Line: l.Line, Evidence: message}
	if m := noMatch.FindStringSubmatch(message); m != nil {
		return []finding.Finding{e.unknownKind(l, base, m[1], m[2])}
	}
	if strings.Contains(message, "failed to decrypt") || strings.Contains(message, "sops") && strings.Contains(message, "decrypt") {
		return []finding.Finding{e.undecrypted(l, base, message)}
	}
	switch reason(l.live) {
	case "BuildFailed":
		base.Code, base.Message = finding.BuildFailed, "kustomize build of "+l.Path+" fails"
		base.Fix = "run kustomize build " + l.Path + " and mend what it says"
		if l.Build != nil && l.Build.File != "" {
			base.File, base.Line = l.Build.File, 1
			if l.Build.Parse != nil {
				base.Line = l.Build.Parse.Line
			}
		}
		return []finding.Finding{base}
	case "ArtifactFailed":
		base.Code, base.Message = finding.SourceFailed, "the layer's source has no artifact"
		if strings.Contains(message, "path not found") {
			base.Code, base.Message, base.Fix = finding.PathNotFound, "its path is not in the repo", "set spec.path to a folder of the repo"
		}
		return []finding.Finding{base}
	case "HealthCheckFailed":
		if out := e.unhealthy(l, message); len(out) > 0 {
			return out
		}
		if known {
			return nil
		}
		base.Code, base.Message = finding.HealthCheckFailed, "an object that the layer waits for did not become ready"
		return []finding.Finding{base}
	}
	if m := dryRun.FindStringSubmatch(message); m != nil {
		return []finding.Finding{e.refused(l, base, m[1], m[2])}
	}
	if known {
		return nil
	}
	if l.failing {
		base.Code, base.Message = finding.ApplyFailed, "the layer can't be applied"
	} else {
		base.Code, base.Message = finding.NotReconciled, "the layer did not reconcile: "+cmp.Or(firstLine(message), "nothing was heard of it")
		base.Fix = "give it more time with --timeout, or look at the objects it waits for"
	}
	return []finding.Finding{base}
}

// unknownKind explains "no matches for kind".
func (e explainer) unknownKind(l *Layer, f finding.Finding, kind, apiVersion string) finding.Finding {
	e.locate(&f, l, func(o *gitops.Object) bool { return o.GetKind() == kind && o.GetAPIVersion() == apiVersion })
	group := strings.Split(apiVersion, "/")[0]
	if successor, removed := gitops.Removed(apiVersion, kind); removed {
		f.Code = finding.RemovedAPI
		f.Message = fmt.Sprintf("%s %s is no longer served", apiVersion, kind)
		f.Fix = successor
		return f
	}
	if provider := l.Provider(group); provider != nil {
		f.Code = finding.CRDAndCR
		f.Message = fmt.Sprintf("%s is applied together with %s, which installs its kind: none of the layer is ever applied", kind, provider.Identity())
		f.Fix = "move the " + kind + " to a later layer that depends on " + l.Name
		return f
	}
	f.Code = finding.UnknownKind
	f.Message = fmt.Sprintf("nothing in the cluster serves %s %s", apiVersion, kind)
	f.Fix = "install its CRD in an earlier layer and depend on that"
	return f
}

func (e explainer) undecrypted(l *Layer, f finding.Finding, message string) finding.Finding {
	f.Code, f.Message = finding.DecryptFailed, "an encrypted file can't be decrypted"
	f.Fix = "see what SOPS says; sops updatekeys re-encrypts a file for the recipients in .sops.yaml"
	m := decryption.FindStringSubmatch(message)
	e.locate(&f, l, func(o *gitops.Object) bool {
		return o.Encrypted && (m == nil || o.GetNamespace() == m[1] && o.GetName() == m[2])
	})
	if strings.Contains(message, "no identity matched") || strings.Contains(message, "did not match any of the recipients") || strings.Contains(message, "0 successful groups required") || strings.Contains(message, "cannot get sops data key") {
		f.Code, f.Message = finding.SOPSRecipient, "the file is encrypted for another key than the cluster has"
		f.Fix = "run sops updatekeys on the file with a key that can read it, or give the key it was encrypted for"
	}
	return f
}

// refused explains an object that the API server does not take.
func (e explainer) refused(l *Layer, f finding.Finding, kind, name string) finding.Finding {
	f.Code = finding.ApplyFailed
	f.Message = "the API server refuses the object"
	f.Fix = "mend what the API server says"
	namespace := ""
	if i := strings.IndexByte(name, '/'); i >= 0 {
		namespace, name = name[:i], name[i+1:]
	}
	f.Object = gitops.Identity(kind, namespace, name)
	e.locate(&f, l, func(o *gitops.Object) bool {
		return o.GetKind() == kind && o.GetName() == name && o.GetNamespace() == namespace
	})
	if strings.Contains(f.Evidence, "namespaces \""+namespace+"\" not found") {
		f.Message, f.Fix = "namespace "+namespace+" does not exist", "create it in an earlier layer"
	}
	return f
}

// unhealthy explains what a health check waited for.
func (e explainer) unhealthy(l *Layer, message string) []finding.Finding {
	var out []finding.Finding
	for _, m := range unhealthy.FindAllStringSubmatch(message, -1) {
		ref := ObjectRef{schema.GroupKind{Kind: m[1]}, m[2], m[3]}
		for _, b := range Inventory(l.live) {
			if b.Kind == m[1] && b.Namespace == m[2] && b.Name == m[3] {
				ref = b
			}
		}
		live, _ := e.cluster.Get(ref)
		why := "status " + m[4]
		if live != nil {
			_, why = Observe(live)
		}
		out = append(out, e.object(l, ref, live, why))
	}
	return out
}

// object explains an object that is not current.
func (e explainer) object(l *Layer, ref ObjectRef, live *unstructured.Unstructured, why string) finding.Finding {
	f := finding.Finding{
		Code: finding.NotCurrent, Severity: finding.Error, Layer: l.Name, Object: ref.Identity(), File: l.File, Line: l.Line, Evidence: why,
	}
	e.locate(&f, l, func(o *gitops.Object) bool {
		return o.GroupVersionKind().GroupKind() == ref.GroupKind && o.GetName() == ref.Name && o.GetNamespace() == ref.Namespace
	})
	switch {
	case ref.GroupKind == installKind || ref.GroupKind == appKind:
		e.packaged(&f, live, why)
	case ref.Group == "packaging.carvel.dev", ref.Group == "source.toolkit.fluxcd.io":
		f.Code, f.Message = finding.SourceFailed, "it can't be fetched: "+lastLine(why)
		f.Fix = "check its address, version and credentials"
	case ref.GroupKind == releaseKind:
		f.Code, f.Message = finding.HelmFailed, "the release does not become ready: "+firstLine(why)
		f.Fix = "mend the chart's values, or what it needs from earlier layers"
		if cause := e.sourceOf(ref, live); cause != "" {
			f.Code, f.Message = finding.SourceFailed, "its chart can't be fetched: "+firstLine(cause)
			f.Fix, f.Evidence = "check the source's address, version and credentials", cause
		}
	default:
		f.Message = "the object is not current: " + firstLine(why)
	}
	if e.ready(l) {
		f.Message += " (while its Kustomization says Ready)"
	}
	return f
}

func (e explainer) ready(l *Layer) bool {
	if l.live == nil {
		return false
	}
	state, _ := Observe(l.live)
	return state == Current
}

// packaged explains a PackageInstall.
func (e explainer) packaged(f *finding.Finding, live *unstructured.Unstructured, why string) {
	f.Code, f.Message = finding.PackageFailed, "the package does not install: "+lastLine(why)
	f.Fix = "see the evidence; its values and what earlier layers provide are the usual causes"
	account := ""
	if live != nil {
		account, _, _ = unstructured.NestedString(live.Object, "spec", "serviceAccountName")
	}
	switch {
	case strings.Contains(why, "forbidden"):
		f.Code = finding.PackageRBAC
		f.Message = fmt.Sprintf("the package's service account %s may not do what the package needs", account)
		f.Fix = "grant the verbs that the evidence names to ServiceAccount " + account
	case strings.Contains(why, "Getting service account"):
		f.Code = finding.PackageRBAC
		f.Message = fmt.Sprintf("the package's service account %s does not exist", account)
		f.Fix = "create ServiceAccount " + account + " in the PackageInstall's namespace, in an earlier layer"
	case strings.Contains(why, "Expected to find at least one version"):
		f.Message = "no package of that name and version is visible in its namespace"
		f.Fix = "check refName and constraints, and that the PackageRepository is in the packaging global namespace"
	}
}

// sourceOf is what the failing source of a HelmRelease says, or "".
func (e explainer) sourceOf(release ObjectRef, live *unstructured.Unstructured) string {
	const group = "source.toolkit.fluxcd.io"
	said := func(ref ObjectRef) string {
		u, _ := e.cluster.Get(ref)
		if u == nil {
			return ""
		}
		if state, message := Observe(u); state == Failed {
			return message
		}
		return ""
	}
	var spec map[string]any
	if live != nil {
		spec, _, _ = unstructured.NestedMap(live.Object, "spec")
	}
	for _, path := range [][]string{{"chartRef"}, {"chart", "spec", "sourceRef"}} {
		kind, _, _ := unstructured.NestedString(spec, append(path, "kind")...)
		name, _, _ := unstructured.NestedString(spec, append(path, "name")...)
		namespace, _, _ := unstructured.NestedString(spec, append(path, "namespace")...)
		if message := said(ObjectRef{schema.GroupKind{Group: group, Kind: kind}, cmp.Or(namespace, release.Namespace), name}); message != "" {
			return message
		}
	}
	for _, u := range e.cluster.List(schema.GroupKind{Group: group, Kind: "HelmChart"}) {
		if strings.HasSuffix(u.GetName(), release.Namespace+"-"+release.Name) {
			if message := said(refOf(u)); message != "" {
				return message
			}
		}
	}
	return ""
}

// locate points a finding at the first of the layer's objects that match.
func (e explainer) locate(f *finding.Finding, l *Layer, match func(*gitops.Object) bool) {
	i := slices.IndexFunc(l.Layer.Objects, match)
	if i < 0 {
		return
	}
	o := l.Layer.Objects[i]
	f.Object, f.File, f.Line = o.Identity(), o.File, o.Line
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// Unreached says whether all that is wrong is that sources could not be
// reached from here, and what waits for them: then nothing is known against the
// repo itself.
func Unreached(all []finding.Finding) bool {
	unreached := false
	for _, f := range all {
		if f.Severity != finding.Error {
			continue
		}
		switch f.Code {
		case finding.SourceFailed, finding.HelmFailed, finding.HealthCheckFailed, finding.BuildFailed:
		default:
			return false
		}
		offline := network.MatchString(f.Evidence)
		if !offline && !waiting.MatchString(f.Evidence) {
			return false
		}
		unreached = unreached || offline
	}
	return unreached
}
