package existing

import (
	"context"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	leaseName  = "rehearsal"
	leaseRenew = 5 * time.Second
	leaseStale = 30 * time.Second
)

// claim takes the cluster for this run. What a run that was killed left behind
// is removed first; a run that is alive is left alone.
func (c *Cluster) claim(ctx context.Context) error {
	leases := c.client.Typed.CoordinationV1().Leases(Namespace)
	old, err := leases.Get(ctx, leaseName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		left, err := c.leftovers(ctx)
		if err != nil {
			return err
		}
		if left {
			return c.clear(ctx)
		}
		return nil
	case err != nil:
		return err
	case old.Spec.RenewTime != nil && time.Since(old.Spec.RenewTime.Time) < leaseStale:
		return &Refusal{errOccupied.Error(), "wait for it to end; one that was killed is noticed after " + leaseStale.String()}
	default:
		return c.clear(ctx)
	}
}

// clear removes what a run left that was killed.
func (c *Cluster) clear(ctx context.Context) error {
	c.Note("removing what a rehearsal left here that was killed")
	c.added.flux, c.added.kapp = true, true
	err := c.remove(ctx)
	c.added.flux, c.added.kapp = false, false
	return err
}

// hold makes the lease and renews it as long as alive.
func (c *Cluster) hold(ctx, alive context.Context) error {
	leases := c.client.Typed.CoordinationV1().Leases(Namespace)
	now, seconds := metav1.NowMicro(), int32(leaseStale.Seconds())
	lease, err := leases.Create(ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: leaseName},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &c.Run, RenewTime: &now, LeaseDurationSeconds: &seconds},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return &Refusal{errOccupied.Error(), "wait for it to end"}
	}
	if err != nil {
		return err
	}
	go func() {
		tick := time.NewTicker(leaseRenew)
		defer tick.Stop()
		for {
			select {
			case <-alive.Done():
				return
			case <-tick.C:
			}
			now := metav1.NowMicro()
			lease.Spec.RenewTime = &now
			// A renewal that fails is tried again; the next rehearsal is patient.
			if next, err := leases.Update(alive, lease, metav1.UpdateOptions{}); err == nil {
				lease = next
			}
		}
	}()
	return nil
}
