package existing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"seatrial.dev/seatrial/internal/cluster"
)

// Diagnose implements cluster.Provider: it puts what a person would ask flux and
// kubectl for. All commands together may take two minutes.
func (c *Cluster) Diagnose(ctx context.Context, put func(string, []byte) error, failed []cluster.Object) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	wanted := []struct{ file, script string }{
		{"flux-get-all.txt", "flux get all -A"},
		{"flux-check.txt", "flux check"},
		{"events.txt", "kubectl get events -A --sort-by=.lastTimestamp"},
		{"pods.txt", "kubectl get nodes,pods -A -o wide"},
		{"packages.txt", "kubectl get packagerepositories,packageinstalls,apps -A -o wide"},
	}
	controllers := []string{"source-controller", "kustomize-controller", "helm-controller", "notification-controller"}
	if cluster.NeedsSourceWatcher(c.planned) {
		controllers = append(controllers, "source-watcher")
	}
	for _, controller := range controllers {
		wanted = append(wanted, struct{ file, script string }{controller + ".log", "kubectl -n " + fluxNamespace + " logs deploy/" + controller})
	}
	wanted = append(wanted, struct{ file, script string }{"kapp-controller.log", "kubectl logs -A -l app=kapp-controller -c kapp-controller --tail=-1"})
	for _, o := range failed {
		resource := o.Kind
		if o.Group != "" {
			resource += "." + o.Group
		}
		script := fmt.Sprintf("kubectl describe %s %s", quoted(resource), quoted(o.Name))
		if o.Namespace != "" {
			script += " -n " + quoted(o.Namespace)
		}
		name := strings.ToLower(strings.Join([]string{"describe", o.Kind, o.Namespace, o.Name}, "-"))
		wanted = append(wanted, struct{ file, script string }{strings.NewReplacer("/", "-", ":", "-").Replace(name) + ".txt", script})
	}
	var problems []error
	for _, w := range wanted {
		// If a command fails, for example as a kind is not served, the file holds its
		// error message.
		out, _ := c.run(ctx, command{pod: fluxPod, args: []string{"sh", "-c", "(" + w.script + ") 2>&1 || true"}})
		problems = append(problems, put(w.file, []byte(out)))
	}
	if c.bootstrap != nil {
		problems = append(problems, put("flux-bootstrap.log", []byte(c.bootstrap.text())))
	}
	return errors.Join(problems...)
}

// quoted quotes s for a shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
