package existing

import (
	"context"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"seatrial.dev/seatrial/internal/hint"
)

const (
	leaseName  = "rehearsal"
	leaseRenew = 5 * time.Second
	// leaseStale is how long a lease must go without a renewal before its run counts as gone.
	// This machine's clock alone measures that, as other machines' clocks may be wrong.
	leaseStale = 30 * time.Second
	clearTime  = 5 * time.Minute
)

// occupied is the answer of a cluster that another rehearsal uses.
func occupied() error {
	return hint.New("another rehearsal is running in this cluster", "wait for it to end")
}

// clear removes what a former run has left, once it is certain that the run was killed.
// It gives up after clearTime.
func (c *Cluster) clear(ctx context.Context, run string) error {
	if err := c.awaitStale(ctx); err != nil {
		return err
	}
	c.Note("removing what the rehearsal " + run + " left here, which was killed")
	ctx, cancel := context.WithTimeout(ctx, clearTime)
	defer cancel()
	former := &Cluster{Options: c.Options, config: c.config, client: c.client, failed: c.failed}
	former.Run = run
	return former.remove(ctx)
}

// awaitStale returns after leaseStale if nobody renews the lease meanwhile; a renewal
// is an error.
func (c *Cluster) awaitStale(ctx context.Context) error {
	leases := c.client.Typed.CoordinationV1().Leases(Namespace)
	version, since := "", time.Now()
	for {
		l, err := leases.Get(ctx, leaseName, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			// The run was killed before it took the lease, or it is about to take it.
		case err != nil:
			return err
		case version != "" && l.ResourceVersion != version:
			return occupied()
		default:
			version = l.ResourceVersion
		}
		if time.Since(since) > leaseStale {
			return nil
		}
		if time.Since(since) < time.Second {
			c.Note(fmt.Sprintf("a rehearsal has been here: looking for %s whether it is alive", leaseStale))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
}

// hold creates the lease and renews it until alive ends. A run that loses its lease
// counts as broken.
func (c *Cluster) hold(ctx, alive context.Context) error {
	leases := c.client.Typed.CoordinationV1().Leases(Namespace)
	now, seconds := metav1.NowMicro(), int32(leaseStale.Seconds())
	_, err := leases.Create(ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: leaseName},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &c.Run, RenewTime: &now, LeaseDurationSeconds: &seconds},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return occupied()
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
			lease, err := leases.Get(alive, leaseName, metav1.GetOptions{})
			if apierrors.IsNotFound(err) || err == nil && *lease.Spec.HolderIdentity != c.Run {
				c.broke(errors.New("another rehearsal took the cluster"))
				return
			}
			if err != nil {
				continue // the next renewal will do: others wait for leaseStale
			}
			now := metav1.NowMicro()
			lease.Spec.RenewTime = &now
			_, _ = leases.Update(alive, lease, metav1.UpdateOptions{}) // likewise
		}
	}()
	return nil
}
