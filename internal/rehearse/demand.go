package rehearse

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/report"
)

// notTheRepos are namespaces whose pods and Services a cluster has without the repo.
var notTheRepos = []string{"kube-system", "flux-system", "kapp-controller", "tkg-system", "seatrial", "local-path-storage"}

// demandOf adds up what the repo asked of the cluster.
func demandOf(ctx context.Context, c *kube.Client) (*report.Demand, error) {
	var d report.Demand
	pods, err := c.Typed.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var cpu, memory resource.Quantity
	for _, p := range pods.Items {
		if slices.Contains(notTheRepos, p.Namespace) || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		d.Pods++
		for _, container := range p.Spec.Containers {
			cpu.Add(*container.Resources.Requests.Cpu())
			memory.Add(*container.Resources.Requests.Memory())
		}
	}
	d.CPU, d.Memory = cpu.String(), memory.String()
	services, err := c.Typed.CoreV1().Services("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, s := range services.Items {
		if s.Spec.Type == corev1.ServiceTypeLoadBalancer && !slices.Contains(notTheRepos, s.Namespace) {
			d.LoadBalancers = append(d.LoadBalancers, s.Namespace+"/"+s.Name)
		}
	}
	claims, err := c.Typed.CoreV1().PersistentVolumeClaims("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	classes, err := c.Typed.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	byDefault := ""
	for _, class := range classes.Items {
		if class.Annotations["storageclass.kubernetes.io/is-default-class"] == "true" {
			byDefault = class.Name
		}
	}
	for _, claim := range claims.Items {
		if slices.Contains(notTheRepos, claim.Namespace) {
			continue
		}
		class := ""
		// What names the class of the rehearsal's cluster has got it by default.
		if named := claim.Spec.StorageClassName; named != nil && *named != byDefault {
			class = *named
		}
		if !slices.Contains(d.StorageClasses, class) {
			d.StorageClasses = append(d.StorageClasses, class)
		}
	}
	slices.Sort(d.LoadBalancers)
	slices.Sort(d.StorageClasses)
	return &d, nil
}
