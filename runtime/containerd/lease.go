package containerd

import (
	"context"
	"errors"
	"time"

	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/errdefs"
	"go.uber.org/zap"
)

// leaseLife bounds how long what a crash left is kept.
const leaseLife = 24 * time.Hour

// lease keeps what is made under the returned context from being collected until
// release. After a failure, release returns when all of it is gone; containerd by
// itself would collect it much later, and the disk may be full now.
func (r *Runtime) lease(ctx context.Context) (leased context.Context, release func(failed bool), err error) {
	service := r.client.LeasesService()
	lease, err := service.Create(ctx, leases.WithRandomID(), leases.WithExpiration(leaseLife))
	if err != nil {
		return nil, nil, err
	}
	leased = leases.WithLease(ctx, lease.ID)
	return leased, func(failed bool) {
		ctx, cancel := detach(leased)
		defer cancel()
		var options []leases.DeleteOpt
		var err error
		if failed {
			options = append(options, leases.SynchronousDelete)
			err = r.abort(ctx, lease)
		}
		if err = errors.Join(err, service.Delete(ctx, lease, options...)); err != nil {
			r.log.Warn("content that nobody needs stays for a day", zap.Error(err))
		}
	}, nil
}

// abort gives up the writing of content under a lease.
func (r *Runtime) abort(ctx context.Context, lease leases.Lease) error {
	resources, err := r.client.LeasesService().ListResources(ctx, lease)
	if err != nil {
		return err
	}
	for _, resource := range resources {
		if resource.Type != "ingests" {
			continue
		}
		if aborted := r.client.ContentStore().Abort(ctx, resource.ID); aborted != nil && !errdefs.IsNotFound(aborted) {
			err = errors.Join(err, aborted)
		}
	}
	return err
}
