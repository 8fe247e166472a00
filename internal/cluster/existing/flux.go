package existing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/admission"
	"seatrial.dev/seatrial/internal/cluster"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/gitrepo"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/live"
)

// fluxPod is the name of the pod in which the flux command runs, and of the pod's
// ServiceAccount.
const fluxPod = "flux"

// tune has Flux look at dependencies every two seconds instead of thirty. An admission
// policy does so, as the repo's own manifests have to stay as they are. It also
// enforces the policy for the pods of stand-ins, if there are any.
func (c *Cluster) tune(ctx context.Context) error {
	var err error
	if c.policy, err = c.serves("admissionregistration.k8s.io", "MutatingAdmissionPolicy", "v1"); err != nil {
		return err
	}
	if !c.policy {
		if c.StandIns {
			return errors.New("this API server has no MutatingAdmissionPolicy (Kubernetes 1.36 or later): nothing can be redirected to stand-ins; use --sources upstream")
		}
		c.blindSpot(finding.NotRedirected, "this API server has no MutatingAdmissionPolicy: a GitRepository of the repo that leads to production's URL is not redirected")
		return nil
	}
	if err := c.makeNamespace(ctx, fluxNamespace, nil); err != nil {
		return err
	}
	policies := []admission.Policy{dependencyPolicy("kustomize-controller", "helm-controller")}
	c.blindSpot(finding.DependencyPolling, "Flux looks at dependencies every 2 seconds here, and every 30 by default")
	if c.StandIns {
		policies = append(policies, podPolicy(c.Images.At(c.Images.Pod)))
		c.blindSpot(finding.StandInPods, "pods of stand-ins run %s: the real images are not pulled, and their probes and scripts do not run", c.Images.Pod)
	}
	return admission.Enforce(ctx, c.client, "seatrial-tier", c.Labels(), policies...)
}

func dependencyPolicy(deployments ...string) admission.Policy {
	var names []string
	for _, d := range deployments {
		names = append(names, admission.Quote(d))
	}
	const arg = "--requeue-dependency=2s"
	probe := kube.Object("apps/v1", "Deployment", fluxNamespace, deployments[0], map[string]any{"spec": map[string]any{
		"selector": map[string]any{"matchLabels": map[string]any{"app": "probe"}},
		"template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"app": "probe"}},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "manager", "image": "probe", "args": []any{"--probe"}}}},
		},
	}})
	return admission.Policy{
		Group: "apps", Resource: "deployments",
		When: fmt.Sprintf(`object.metadata.namespace == %s && object.metadata.name in [%s] && has(object.spec.template.spec.containers[0].args) && !(%s in object.spec.template.spec.containers[0].args)`,
			admission.Quote(fluxNamespace), strings.Join(names, ", "), admission.Quote(arg)),
		Patch: fmt.Sprintf(`[JSONPatch{op: "add", path: "/spec/template/spec/containers/0/args/-", value: %s}]`, admission.Quote(arg)),
		InForce: admission.Tried(probe, func(got *unstructured.Unstructured) bool {
			containers, _, _ := unstructured.NestedSlice(got.Object, "spec", "template", "spec", "containers")
			return len(containers) == 1 && strings.Contains(fmt.Sprint(containers[0]), arg)
		}),
	}
}

// podPolicy has the pods of stand-ins run a small image instead of their own. Init containers
// and the containers of Jobs end at once; other containers run until they are terminated.
func podPolicy(image string) admission.Policy {
	replaced := func(field, script string) string {
		var lists []string
		for _, change := range [][3]string{
			{"replace", "image", admission.Quote(image)}, {"add", "imagePullPolicy", `"IfNotPresent"`}, {"add", "command", `["sh", "-c", ` + script + `]`},
		} {
			lists = append(lists, fmt.Sprintf(`object.spec.%s.transformList(i, c, JSONPatch{op: %q, path: "/spec/%s/" + string(i) + "/%s", value: %s})`,
				field, change[0], field, change[1], change[2]))
		}
		return strings.Join(lists, " + ")
	}
	probe := kube.Object("v1", "Pod", Namespace, "seatrial-probe", map[string]any{"spec": map[string]any{
		"containers": []any{map[string]any{"name": "main", "image": "probe"}},
	}})
	probe.SetLabels(map[string]string{live.StandInLabel: "probe"})
	script := `object.spec.restartPolicy == "Never" ? "exit 0" : "trap 'exit 0' TERM; while true; do sleep 1 & wait; done"`
	return admission.Policy{
		Group: "", Resource: "pods", Operations: []any{"CREATE"},
		When:  "has(object.metadata.labels) && " + admission.Quote(live.StandInLabel) + " in object.metadata.labels",
		Patch: fmt.Sprintf(`%s + (has(object.spec.initContainers) ? %s : [])`, replaced("containers", script), replaced("initContainers", `"exit 0"`)),
		InForce: admission.Tried(probe, func(got *unstructured.Unstructured) bool {
			containers, _, _ := unstructured.NestedSlice(got.Object, "spec", "containers")
			return len(containers) == 1 && strings.Contains(fmt.Sprint(containers[0]), image)
		}),
	}
}

// addFlux starts the pod of the flux command and installs Flux's controllers with it.
// flux bootstrap would install them, too, but redirection needs Flux's kinds before that.
func (c *Cluster) addFlux(ctx context.Context) error {
	err := c.startPod(ctx, fluxPod, map[string]any{
		"serviceAccountName": fluxPod, "enableServiceLinks": false, "terminationGracePeriodSeconds": int64(1),
		"containers": []any{map[string]any{
			"name": fluxPod, "image": c.Images.At(c.Images.Flux), "imagePullPolicy": "IfNotPresent",
			"command": []any{"tail", "-f", "/dev/null"},
			"env":     []any{map[string]any{"name": "HOME", "value": "/tmp"}},
		}},
	})
	if err != nil {
		return err
	}
	if _, err := c.flux(ctx, "check", "--pre"); err != nil {
		return err
	}
	_, err = c.flux(ctx, append([]string{"install", "--timeout=4m"}, c.fluxParts()...)...)
	return err
}

// fluxParts are the flags of flux install and flux bootstrap that say what Flux consists of, and where it comes from.
func (c *Cluster) fluxParts() []string {
	parts := []string{"--registry=" + c.Images.FluxRegistry()}
	if cluster.NeedsSourceWatcher(c.planned) {
		parts = append(parts, "--components-extra=source-watcher")
	}
	return parts
}

// flux runs the flux command.
func (c *Cluster) flux(ctx context.Context, args ...string) (string, error) {
	out, err := c.run(ctx, command{pod: fluxPod, args: append([]string{"flux"}, args...)})
	if err != nil {
		return out, fmt.Errorf("flux %s: %w", args[0], err)
	}
	return out, nil
}

// bootstrapRun is a running flux bootstrap, and what it has printed so far.
type bootstrapRun struct {
	done chan struct{}
	mu   sync.Mutex
	log  bytes.Buffer
	err  error // valid when done is closed
}

// Write implements io.Writer.
func (b *bootstrapRun) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

func (b *bootstrapRun) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

// Bootstrap implements cluster.Provider. It returns as soon as Flux syncs: flux
// bootstrap itself goes on waiting for the first layer, and the judge notices earlier
// if that fails. It gives up if Flux does not sync within 5 minutes.
func (c *Cluster) Bootstrap(ctx context.Context, s cluster.Sync) (*gitrepo.Snapshot, []gitrepo.Change, error) {
	run := &bootstrapRun{done: make(chan struct{})}
	c.bootstrap = run
	alive, ends := context.WithCancel(context.WithoutCancel(ctx))
	stop := c.ends
	c.ends = func() { ends(); stop() }
	go func() {
		defer close(run.done)
		_, run.err = c.run(alive, command{
			pod: fluxPod, stdin: c.host.syncToken + "\n", output: run,
			args: append([]string{
				"flux", "bootstrap", "git", "--url=" + s.URL, "--branch=" + gitrepo.Branch, "--path=" + s.Path, "--token-auth",
				"--username=" + syncUser, "--allow-insecure-http", "--timeout=30m",
				"--author-name=seatrial", "--author-email=seatrial@localhost",
			}, c.fluxParts()...),
		})
	}()
	if err := c.awaitSync(ctx, run, s); err != nil {
		return nil, nil, err
	}
	next, changes, err := s.Snapshot.Advance(ctx, c.host.local(c.host.ownerToken, owner))
	if err != nil {
		return nil, nil, err
	}
	c.mu.Lock()
	c.synced = true
	c.mu.Unlock()
	if s.DecryptionSecret != "" {
		if err := c.decryptRoot(ctx, s.DecryptionSecret); err != nil {
			return nil, nil, err
		}
	}
	own := path.Join(s.Path, fluxNamespace) + "/"
	for _, change := range changes {
		if !strings.HasPrefix(change.File, own) {
			return nil, nil, fmt.Errorf("flux bootstrap changed %s, which is not below %s", change.File, own)
		}
	}
	return next, changes, nil
}

// decryptRoot gives the first layer the decryption that the repo gives it: flux
// bootstrap writes its Kustomization anew, without.
func (c *Cluster) decryptRoot(ctx context.Context, secret string) error {
	c.blindSpot(finding.RootDecryption, "flux bootstrap drops the decryption of Kustomization %s, which the repo has: it was put back", gitops.RootLayer)
	root := kube.Object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", gitops.RootLayer.Namespace, gitops.RootLayer.Name, nil)
	return c.patch(ctx, root, fmt.Sprintf(`{"spec":{"decryption":{"provider":"sops","secretRef":{"name":%q}}}}`, secret))
}

// awaitSync returns when the cluster has the root Kustomization with the path of s. It
// gives up after 5 minutes.
func (c *Cluster) awaitSync(ctx context.Context, run *bootstrapRun, s cluster.Sync) error {
	kustomization := kube.Object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", gitops.RootLayer.Namespace, gitops.RootLayer.Name, nil)
	r, err := c.client.Resource(kustomization)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, errors.New("flux bootstrap did not come to syncing in 5 minutes"))
	defer cancel()
	over := false
	for {
		got, err := r.Get(ctx, kustomization.GetName(), metav1.GetOptions{})
		if err == nil {
			if p, _, _ := unstructured.NestedString(got.Object, "spec", "path"); path.Clean(p) == path.Clean(s.Path) {
				return nil
			}
		} else if !apierrors.IsNotFound(err) {
			return err
		}
		select {
		case <-run.done:
			if run.err != nil {
				return fmt.Errorf("flux bootstrap: %w\n%s", run.err, strings.TrimSpace(run.text()))
			}
			if over { // the Kustomization was looked for once more after flux bootstrap had ended
				return fmt.Errorf("flux bootstrap ended, but Kustomization %s does not sync %s\n%s", gitops.RootLayer, s.Path, strings.TrimSpace(run.text()))
			}
			over = true
		case <-ctx.Done():
			return fmt.Errorf("%w\n%s", context.Cause(ctx), strings.TrimSpace(run.text()))
		case <-time.After(200 * time.Millisecond):
		}
	}
}
