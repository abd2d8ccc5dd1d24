package containerd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"

	"github.com/containerd/containerd/api/services/tasks/v1"
	runc "github.com/containerd/containerd/api/types/runc/options"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/errdefs"
	"github.com/containerd/typeurl/v2"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
)

// containerID is what containerd takes for one; it is a file's name here.
var containerID = regexp.MustCompile(`^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$`)

// Create implements runtime.Runtime. Three calls go to containerd: one for the
// container's record, one for its snapshot and one for its process, which waits for
// the start with its namespaces and mounts made. The record comes first, so that it
// keeps the snapshot from being collected.
func (r *Runtime) Create(ctx context.Context, spec runtime.Spec) error {
	if !containerID.MatchString(spec.ID) {
		return api.Invalidf("container ID %q: want letters, digits, '.', '_' and '-'", spec.ID)
	}
	done, err := r.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	defer r.locks.lock(spec.ID)()
	ctx, cancel := detach(ctx)
	defer cancel()
	info, err := r.info(ctx, spec.Image)
	if err != nil {
		return err
	}
	users, err := r.usersOf(ctx, info)
	if err != nil {
		return explain("create container "+spec.ID, err)
	}
	wanted, named := volumesOf(spec, info.config)
	defer r.uses.hold(named)()
	mounts, err := r.mounts(ctx, spec, wanted, info)
	if err != nil {
		return explainCreate(err)
	}
	plan := &blueprint{Spec: spec, image: info, users: users, host: r.host, init: r.config.Init, mounts: append(r.files(spec), mounts...)}
	oci, err := plan.build()
	if err != nil {
		return err
	}
	m := r.meta(spec, info, named)
	if err := r.createRecord(ctx, spec.ID, oci, m); err != nil {
		return err
	}
	roots, err := r.furnish(ctx, spec, wanted, info)
	if err == nil {
		err = r.createProcess(ctx, spec, roots)
	}
	if err != nil {
		removed, cancel := detach(ctx)
		defer cancel()
		if undo := r.remove(removed, spec.ID); undo != nil {
			err = errors.Join(err, fmt.Errorf("and remove what was made: %w", undo))
		}
		return explainCreate(err)
	}
	return nil
}

// createProcess makes the container's first process, which runs nothing of the
// image yet.
func (r *Runtime) createProcess(ctx context.Context, spec runtime.Spec, roots []mount.Mount) error {
	// The shim waits until somebody reads; from then on it holds both ends itself.
	release, err := holdFIFOs(spec.Output)
	if err != nil {
		return err
	}
	defer release()
	request := &tasks.CreateTaskRequest{
		ContainerID: spec.ID, Rootfs: mount.ToProto(roots), Terminal: spec.Container.TTY,
		Stdin: spec.Output.Stdin, Stdout: spec.Output.Stdout, Stderr: spec.Output.Stderr,
	}
	if spec.Container.TTY {
		request.Stderr = ""
	}
	if _, err := r.client.TaskService().Create(ctx, request); err != nil {
		_, explained := failedStart("create container "+spec.ID, err)
		return explained
	}
	return nil
}

// meta is what List and Inspect will tell of a container.
func (r *Runtime) meta(spec runtime.Spec, info *imageInfo, volumes []string) meta {
	return meta{
		Task: spec.Task, Image: spec.Image.Name, Digest: spec.Image.Digest, TTY: spec.Container.TTY,
		StopSignal: orElse(spec.Container.StopSignal, orElse(info.config.StopSignal, "SIGTERM")),
		Health:     runtime.MergeHealth(info.config.Health, spec.Container.Health),
		Output:     spec.Output, Boot: r.boot, Volumes: volumes,
		HostPid: spec.Container.PidMode == "host", Memory: spec.Resources.Limits.Memory,
	}
}

// mounts makes the named volumes and lists what the user wants mounted.
func (r *Runtime) mounts(ctx context.Context, spec runtime.Spec, wanted []api.Mount, info *imageInfo) ([]specs.Mount, error) {
	var mounts []specs.Mount
	for i, m := range wanted {
		source := m.Source
		switch m.Type {
		case api.MountBind:
			if err := bindSource(m); err != nil {
				return nil, err
			}
		case api.MountVolume:
			source = r.volumePath(spec.ID, i, m)
			if m.Source != "" {
				var err error
				if source, err = r.ensureVolume(ctx, spec.ID, i, m, info); err != nil {
					return nil, err
				}
			}
		}
		made, err := mountOf(m, source)
		if err != nil {
			return nil, err
		}
		mounts = append(mounts, made)
	}
	return mounts, nil
}

// createRecord tells containerd of the container.
func (r *Runtime) createRecord(ctx context.Context, id string, spec *specs.Spec, m meta) error {
	if _, err := r.snapshotter(ctx); err != nil {
		return explain("create container "+id, err)
	}
	encoded, err := typeurl.MarshalAny(spec)
	if err != nil {
		return err
	}
	options, err := typeurl.MarshalAny(&runc.Options{Root: filepath.Join(r.layout.run, "runc")})
	if err != nil {
		return err
	}
	extension, err := m.any()
	if err != nil {
		return err
	}
	_, err = r.client.ContainerService().Create(ctx, containers.Container{
		ID: id, Image: m.Image, Labels: map[string]string{"orc.task": m.Task.Task, "orc.service": m.Task.Service},
		Runtime: containers.RuntimeInfo{Name: "io.containerd.runc.v2", Options: options},
		Spec:    encoded, Snapshotter: r.snapshotterName, SnapshotKey: id,
		Extensions: map[string]typeurl.Any{metaKey: extension},
	})
	if errdefs.IsAlreadyExists(err) {
		return fmt.Errorf("container %s: %w", id, runtime.ErrExists)
	}
	return explain("create container "+id, err)
}

// furnish makes what the container's spec refers to.
func (r *Runtime) furnish(ctx context.Context, spec runtime.Spec, wanted []api.Mount, info *imageInfo) ([]mount.Mount, error) {
	roots, err := r.prepareRoot(ctx, spec, info)
	if err != nil {
		return nil, err
	}
	for i, m := range wanted {
		if m.Type == api.MountVolume && m.Source == "" {
			if _, err := r.ensureVolume(ctx, spec.ID, i, m, info); err != nil {
				return nil, err
			}
		}
	}
	if err := r.writeFiles(spec); err != nil {
		return nil, err
	}
	return roots, makeFIFOs(spec.Output)
}

// prepareRoot makes the container's own snapshot of the image's.
func (r *Runtime) prepareRoot(ctx context.Context, spec runtime.Spec, info *imageInfo) ([]mount.Mount, error) {
	snapshotter, err := r.snapshotter(ctx)
	if err != nil {
		return nil, err
	}
	roots, err := snapshotter.Prepare(ctx, spec.ID, info.chain)
	if errdefs.IsAlreadyExists(err) { // of a container whose record is gone
		if err := snapshotter.Remove(ctx, spec.ID); err != nil {
			return nil, err
		}
		roots, err = snapshotter.Prepare(ctx, spec.ID, info.chain)
	}
	if !errdefs.IsNotFound(err) {
		return roots, err
	}
	// The image went, or was never unpacked, since it was read.
	r.images.clear()
	record, err := r.find(ctx, spec.Image)
	if err != nil {
		return nil, err
	}
	if err := r.unpack(ctx, record); err != nil {
		return nil, err
	}
	return snapshotter.Prepare(ctx, spec.ID, info.chain)
}

// explainCreate tells a full disk from the rest.
func explainCreate(err error) error {
	if full(err) {
		return fmt.Errorf("create container: %w", runtime.ErrFull)
	}
	return oneLine(err)
}

func randomName() string {
	var name [8]byte
	rand.Read(name[:]) // never fails (crypto/rand)
	return hex.EncodeToString(name[:])
}
