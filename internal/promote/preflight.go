package promote

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/policy"
	"seatrial.dev/seatrial/internal/report"
)

// preflight compares what the rehearsal assumed with what is there. It only reads, and refuses what
// is certain to fail.
func (p *promotion) preflight(ctx context.Context) error {
	for _, look := range []func(context.Context) error{p.keys, p.rights, p.sees, p.versions, p.packaging, p.storage, p.podSecurity, p.capacity, p.loadBalancers, p.owners} {
		if err := look(ctx); err != nil {
			return fmt.Errorf("compare the cluster: %w", err)
		}
	}
	p.result.Preflight = finding.Merge(p.result.Preflight, nil)
	if p.AllowDifferences {
		for i, f := range p.result.Preflight {
			if f.Code == finding.ClusterDiffers {
				p.result.Preflight[i].Severity = finding.Warning
			}
		}
	}
	if n := finding.Errors(p.result.Preflight); n > 0 {
		return ErrRefused
	}
	return nil
}

func (p *promotion) differs(severity finding.Severity, code finding.Code, object, fix, format string, args ...any) {
	p.result.Preflight = append(p.result.Preflight, finding.Finding{
		Code: code, Severity: severity, Object: object, Message: fmt.Sprintf(format, args...), Fix: fix,
	})
}

// forbidden says whether an account may not read something, which is then said instead of looked at.
func (p *promotion) forbidden(err error, what string) (bool, error) {
	if apierrors.IsForbidden(err) {
		p.differs(finding.Warning, finding.LacksRights, "", "let the account read it", "the account may not read %s: whether it is as the rehearsal assumed was not looked at", what)
		return true, nil
	}
	return err != nil, err
}

// rights asks whether the account may do what is about to be done.
func (p *promotion) rights(ctx context.Context) error {
	type right struct{ verb, group, resource, namespace string }
	source := "gitrepositories"
	if p.target.Delivery.Type == policy.ToOCI {
		source = "ocirepositories"
	}
	wants := []right{{"patch", "source.toolkit.fluxcd.io", source, gitops.FluxNamespace}}
	if !p.runs.syncs {
		wants = []right{{"*", "*", "*", ""}} // flux bootstrap makes Flux's controllers administrators, which only one may
	} else if len(p.missing) > 0 {
		wants = append(wants, right{"create", "", "secrets", gitops.FluxNamespace})
	}
	for _, w := range wants {
		allowed, err := p.may(ctx, w.verb, w.group, w.resource, w.namespace)
		if err != nil {
			return err
		}
		if !allowed {
			what := w.verb + " " + w.resource
			if w.resource == "*" {
				what = "do everything, as a first bootstrap has to"
			}
			p.differs(finding.Error, finding.LacksRights, "", "give a kubeconfig of an account that may", "the account may not %s", what)
		}
	}
	return nil
}

// versions compares Kubernetes and Flux.
func (p *promotion) versions(ctx context.Context) error {
	server, err := p.client.Typed.Discovery().ServerVersion()
	if err != nil {
		return err
	}
	p.compareVersion("Kubernetes", server.GitVersion, p.proof.Versions["kubernetes"], "rehearse with the cluster's version where one can be had (--cluster kind --node-image)")
	deployments, err := p.client.Typed.AppsV1().Deployments(gitops.FluxNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/part-of=flux"})
	if skip, err := p.forbidden(err, "Flux's Deployments"); skip {
		return err
	}
	for _, d := range deployments.Items {
		p.compareVersion("Flux", d.Labels["app.kubernetes.io/version"], p.proof.Versions["flux"], "bring the cluster's Flux to the rehearsed version, or rehearse with its")
		break
	}
	return nil
}

func (p *promotion) compareVersion(what, there, rehearsed, fix string) {
	a, errA := semver.NewVersion(there)
	b, errB := semver.NewVersion(strings.SplitN(rehearsed, ",", 2)[0])
	if errA != nil || errB != nil {
		if there != "" {
			p.differs(finding.Warning, finding.ClusterDiffers, "", fix, "%s %s is there; which version was rehearsed is not known (%q)", what, there, rehearsed)
		}
		return
	}
	if a.Major() != b.Major() || a.Minor() != b.Minor() {
		p.differs(finding.Warning, finding.ClusterDiffers, "", fix, "%s %s is there, and %s was rehearsed", what, there, b.Original())
	}
}

var globalNamespace = regexp.MustCompile(`^-{1,2}packaging-global-namespace=(.+)$`)

// packaging looks at the kapp-controller that runs: its version, and the packaging global namespace
// that its arguments name.
func (p *promotion) packaging(ctx context.Context) error {
	wants := hasKind(p.repo, "packaging.carvel.dev", "PackageInstall") || hasKind(p.repo, "packaging.carvel.dev", "PackageRepository") || hasKind(p.repo, "kappctrl.k14s.io", "App")
	if !wants {
		return nil
	}
	all, err := p.client.Typed.AppsV1().Deployments("").List(ctx, metav1.ListOptions{})
	if skip, err := p.forbidden(err, "the cluster's Deployments"); skip {
		return err
	}
	i := slices.IndexFunc(all.Items, func(d appsv1.Deployment) bool { return d.Name == "kapp-controller" })
	if i < 0 {
		if hasDeployment(p.repo, "kapp-controller") {
			return nil // the repo brings it
		}
		p.differs(finding.Error, finding.ClusterDiffers, "", "install it first, or have the repo bring it (flavour: generic)", "kapp-controller does not run there, and the repo has Carvel packages")
		return nil
	}
	d := all.Items[i]
	object := gitops.Identity("Deployment", d.Namespace, d.Name)
	if v := d.Annotations["kapp-controller.carvel.dev/version"]; v != "" && v != "v0.0.0" { // what a build without a version says
		p.compareVersion("kapp-controller", v, p.proof.Versions["kapp-controller"], "rehearse with a kapp-controller of that version (--kapp-controller-image on kind)")
	}
	global := ""
	for _, c := range d.Spec.Template.Spec.Containers {
		for _, arg := range append(slices.Clone(c.Command), c.Args...) {
			if m := globalNamespace.FindStringSubmatch(arg); m != nil {
				global = m[1]
			}
		}
	}
	if assumed := cmp.Or(p.takes.PackagingGlobalNamespace, p.proof.PackagingGlobalNamespace); assumed != "" && global != "" && assumed != global {
		p.differs(finding.Error, finding.ClusterDiffers, object, "write packagingGlobalNamespace: "+global+" (or --packaging-global-namespace), and rehearse again",
			"the packaging global namespace is %s, and %s was rehearsed: packages would not be seen where they are installed", global, assumed)
	}
	return nil
}

// storage looks for the StorageClasses that claims asked for.
func (p *promotion) storage(ctx context.Context) error {
	if p.proof.Demand == nil || len(p.proof.Demand.StorageClasses) == 0 {
		return nil
	}
	classes, err := p.client.Typed.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if skip, err := p.forbidden(err, "StorageClasses"); skip {
		return err
	}
	var names []string
	var byDefault bool
	brings := hasKind(p.repo, "storage.k8s.io", "StorageClass") // which may be the default
	for _, c := range classes.Items {
		names = append(names, c.Name)
		byDefault = byDefault || c.Annotations["storageclass.kubernetes.io/is-default-class"] == "true"
	}
	for _, want := range p.proof.Demand.StorageClasses {
		switch {
		case want == "" && !byDefault && !brings:
			p.differs(finding.Error, finding.ClusterDiffers, "", "make one the default, or name one (storageClass in the blueprint): "+strings.Join(names, ", "), "no StorageClass is the default, and volumes of the repo ask for the default")
		case want != "" && !slices.Contains(names, want) && !hasObject(p.repo, "StorageClass", want):
			p.differs(finding.Error, finding.ClusterDiffers, "StorageClass/"+want, "make it, or name another: "+strings.Join(names, ", "), "the StorageClass that volumes of the repo ask for is not there")
		}
	}
	return nil
}

// podSecurity finds the default level by asking the API server, without making anything, for pods in
// a namespace without a label.
func (p *promotion) podSecurity(ctx context.Context) error {
	_, err := p.client.Typed.CoreV1().Pods(metav1.NamespaceDefault).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "seatrial-preflight-"},
		Spec:       corev1.PodSpec{HostNetwork: true, Containers: []corev1.Container{{Name: "none", Image: "none.invalid/none:0"}}},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	level := "privileged"
	switch {
	case err == nil:
	case strings.Contains(err.Error(), `violates PodSecurity "restricted`):
		level = "restricted"
	case strings.Contains(err.Error(), `violates PodSecurity "baseline`):
		level = "baseline"
	default:
		p.differs(finding.Warning, finding.ClusterDiffers, "", "compare it by hand", "the default of Pod Security could not be found out: %v", err)
		return nil
	}
	ns, err := p.client.Typed.CoreV1().Namespaces().Get(ctx, metav1.NamespaceDefault, metav1.GetOptions{})
	if err != nil || ns.Labels["pod-security.kubernetes.io/enforce"] != "" {
		return err // the label says it, and not the default
	}
	order := []string{"privileged", "baseline", "restricted"}
	assumed := cmp.Or(p.proof.PodSecurity, order[0])
	if slices.Index(order, level) > slices.Index(order, assumed) {
		severity := finding.Error
		if labelled(p.repo) {
			severity = finding.Warning // each namespace of the repo says what holds in it
		}
		p.differs(severity, finding.ClusterDiffers, "", "rehearse with --pod-security "+level+", or declare it in the repo's ConfigMap cluster-essentials",
			"namespaces without a label enforce %s there, and %s was rehearsed: pods may be refused", level, assumed)
	}
	return nil
}

// labelled says whether every namespace that the repo declares has a Pod Security level of its own.
func labelled(r *gitops.Repo) bool {
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.GetKind() == "Namespace" && o.GetLabels()["pod-security.kubernetes.io/enforce"] == "" {
				return false
			}
		}
	}
	return hasKind(r, "", "Namespace")
}

// capacity compares what the nodes have left with the sums of the requests.
func (p *promotion) capacity(ctx context.Context) error {
	d := p.proof.Demand
	if d == nil || p.runs.syncs { // what runs there already is part of the sums
		return nil
	}
	nodes, err := p.client.Typed.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if skip, err := p.forbidden(err, "nodes"); skip {
		return err
	}
	pods, err := p.client.Typed.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if skip, err := p.forbidden(err, "pods"); skip {
		return err
	}
	p.fits(d, nodes.Items, pods.Items)
	return nil
}

func (p *promotion) fits(d *report.Demand, nodes []corev1.Node, pods []corev1.Pod) {
	var cpu, memory, count resource.Quantity
	for _, n := range nodes {
		if n.Spec.Unschedulable {
			continue
		}
		cpu.Add(*n.Status.Allocatable.Cpu())
		memory.Add(*n.Status.Allocatable.Memory())
		count.Add(*n.Status.Allocatable.Pods())
	}
	for _, pod := range pods {
		if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		count.Sub(resource.MustParse("1"))
		for _, c := range pod.Spec.Containers {
			cpu.Sub(*c.Resources.Requests.Cpu())
			memory.Sub(*c.Resources.Requests.Memory())
		}
	}
	for _, s := range []struct {
		what, asked string
		left        resource.Quantity
	}{{"CPU", d.CPU, cpu}, {"memory", d.Memory, memory}, {"pods", fmt.Sprint(d.Pods), count}} {
		asked, err := resource.ParseQuantity(s.asked)
		if err == nil && asked.Cmp(s.left) > 0 {
			p.differs(finding.Error, finding.ClusterDiffers, "", "add nodes, or ask for less", "the nodes have %s of %s left, and the repo's pods ask for %s", s.left.String(), s.what, asked.String())
		}
	}
}

// loadBalancers looks for something that gives Services of that type an address.
func (p *promotion) loadBalancers(ctx context.Context) error {
	if p.proof.Demand == nil || len(p.proof.Demand.LoadBalancers) == 0 {
		return nil
	}
	services, err := p.client.Typed.CoreV1().Services("").List(ctx, metav1.ListOptions{})
	if skip, err := p.forbidden(err, "Services"); skip {
		return err
	}
	pending := 0
	for _, s := range services.Items {
		if s.Spec.Type != corev1.ServiceTypeLoadBalancer {
			continue
		}
		if len(s.Status.LoadBalancer.Ingress) > 0 {
			return nil // somebody gives addresses
		}
		pending++
	}
	nodes, err := p.client.Typed.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if skip, err := p.forbidden(err, "nodes"); skip {
		return err
	}
	cloud := slices.ContainsFunc(nodes.Items, func(n corev1.Node) bool {
		return n.Spec.ProviderID != "" && !strings.HasPrefix(n.Spec.ProviderID, "kind://")
	})
	if pending > 0 || !cloud {
		p.differs(finding.Warning, finding.ClusterDiffers, "", "see that a load balancer (a cloud provider, NSX ALB, MetalLB, kube-vip) serves the cluster",
			"no Service of type LoadBalancer has an address there, and the repo has %s", strings.Join(p.proof.Demand.LoadBalancers, ", "))
	}
	return nil
}

// owners looks for objects of the repo that somebody else applies already.
func (p *promotion) owners(ctx context.Context) error {
	for _, l := range p.repo.Layers {
		for _, o := range l.Objects {
			live, err := get(ctx, p.client, o.GetAPIVersion(), o.GetKind(), gitops.Ref{Namespace: cmp.Or(o.GetNamespace(), ""), Name: o.GetName()})
			if meta.IsNoMatchError(err) || apierrors.IsForbidden(err) || live == nil && err == nil {
				continue
			}
			if err != nil {
				return err
			}
			owner := ownerOf(live.GetLabels(), live.GetAnnotations())
			shares := slices.Contains([]string{"IfNotPresent", "Merge", "Ignore"}, o.GetAnnotations()["kustomize.toolkit.fluxcd.io/ssa"])
			if owner == "" || shares || p.ours(owner, l) {
				continue
			}
			f := finding.Finding{
				Code: finding.ObjectOwned, Severity: finding.Error, Layer: l.Title(), Object: o.Identity(), File: o.File, Line: o.Line,
				Message: "it is there already, and belongs to " + owner + ": both would write it in turn", Fix: "take it out of one of the two",
			}
			p.result.Preflight = append(p.result.Preflight, f)
		}
	}
	return nil
}

// ownerOf names who applies an object, by the marks that Flux, Helm and kapp leave.
func ownerOf(labels, annotations map[string]string) string {
	if name := labels["kustomize.toolkit.fluxcd.io/name"]; name != "" {
		return "Kustomization " + labels["kustomize.toolkit.fluxcd.io/namespace"] + "/" + name
	}
	if name := labels["helm.toolkit.fluxcd.io/name"]; name != "" {
		return "HelmRelease " + labels["helm.toolkit.fluxcd.io/namespace"] + "/" + name
	}
	if name := annotations["meta.helm.sh/release-name"]; name != "" {
		return "Helm release " + annotations["meta.helm.sh/release-namespace"] + "/" + name
	}
	if app := labels["kapp.k14s.io/app"]; app != "" {
		return "kapp app " + app
	}
	return ""
}

// ours says whether an owner is a layer of the repo, now or before this promotion.
func (p *promotion) ours(owner string, l *gitops.Layer) bool {
	if owner == "Kustomization "+l.Ref.String() {
		return true
	}
	for _, r := range []*gitops.Repo{p.repo, p.before} {
		if r != nil && slices.ContainsFunc(r.Layers, func(l *gitops.Layer) bool { return owner == "Kustomization "+l.Ref.String() }) {
			return p.runs.syncs
		}
	}
	return false
}

func hasKind(r *gitops.Repo, group, kind string) bool {
	return slices.ContainsFunc(r.Layers, func(l *gitops.Layer) bool {
		return slices.ContainsFunc(l.Objects, func(o *gitops.Object) bool {
			gvk := o.GroupVersionKind()
			return gvk.Group == group && gvk.Kind == kind
		})
	})
}

func hasObject(r *gitops.Repo, kind, name string) bool {
	return slices.ContainsFunc(r.Layers, func(l *gitops.Layer) bool {
		return slices.ContainsFunc(l.Objects, func(o *gitops.Object) bool { return o.GetKind() == kind && o.GetName() == name })
	})
}

func hasDeployment(r *gitops.Repo, name string) bool { return hasObject(r, "Deployment", name) }
