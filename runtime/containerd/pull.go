package containerd

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"time"

	client "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/distribution/reference"
	godigest "github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/runtime"
	"github.com/orc-project/orc/sleep"
)

// Pull implements runtime.Runtime. Pulls of one image wait for each other, so that
// many tasks cost one.
func (r *Runtime) Pull(ctx context.Context, ref runtime.ImageRef, progress func(done, total int64)) (runtime.Image, error) {
	name, err := runtime.NormalName(ref.Name)
	if err != nil {
		return runtime.Image{}, err
	}
	defer r.locks.lock("pull " + name + "@" + ref.Digest)()
	if ref.Digest != "" {
		if image, found, err := r.local(ctx, name, ref); found || err != nil {
			return image, err
		}
	}
	image, err := r.pull(ctx, name, ref, progress)
	if err != nil && ref.Digest == "" && ctx.Err() == nil {
		// Not pinned: what is here is what Docker falls back to as well.
		if local, found, localErr := r.local(ctx, name, ref); found && localErr == nil {
			r.log.Info("registry does not answer: using the image that is here", zap.String("image", name), zap.Error(err))
			return local, nil
		}
	}
	return image, err
}

// local returns an image that is present, unpacked.
func (r *Runtime) local(ctx context.Context, name string, ref runtime.ImageRef) (image runtime.Image, found bool, err error) {
	record, err := r.find(ctx, ref)
	if err != nil {
		return image, false, nil // missing, or the pull will tell
	}
	info, err := r.read(ctx, record.Target)
	if err != nil {
		return image, false, nil // damaged or gone: pull it again
	}
	ready, err := r.unpacked(ctx, info)
	if err != nil {
		return image, false, explain("look up image "+name, err)
	}
	if !ready {
		if err := r.unpack(ctx, record); full(err) {
			return image, false, explain("unpack image "+name, err)
		} else if err != nil {
			return image, false, nil
		}
	}
	return info.image(name), true, nil
}

func (r *Runtime) pull(ctx context.Context, name string, ref runtime.ImageRef, progress func(done, total int64)) (runtime.Image, error) {
	if _, err := r.snapshotter(ctx); err != nil {
		return runtime.Image{}, explain("pull "+name, err)
	}
	resolver, err := newResolver(name, ref.Auth)
	if err != nil {
		return runtime.Image{}, err
	}
	wanted := name
	if ref.Digest != "" {
		if wanted, err = digestName(name, ref.Digest); err != nil {
			return runtime.Image{}, err
		}
	}
	track := newTracker(r.client.ContentStore(), progress)
	options := []client.RemoteOpt{
		client.WithPullUnpack, client.WithPullSnapshotter(r.snapshotterName), client.WithResolver(resolver),
		client.WithImageHandlerWrapper(track.wrap),
	}
	leased, release, err := r.lease(ctx)
	if err != nil {
		return runtime.Image{}, explain("pull "+name, err)
	}
	stop := track.run(ctx)
	pulled, err := r.client.Pull(leased, wanted, options...)
	stop(err == nil)
	defer func() { release(err != nil) }()
	if err != nil {
		if ctx.Err() != nil {
			return runtime.Image{}, ctx.Err()
		}
		return runtime.Image{}, explainPull(name, err)
	}
	target := pulled.Target()
	pinned, err := digestName(name, target.Digest.String())
	if err != nil {
		return runtime.Image{}, err
	}
	for _, each := range []string{name, pinned} {
		if each != wanted {
			if err := r.record(ctx, images.Image{Name: each, Target: target}); err != nil {
				return runtime.Image{}, explain("pull "+name, err)
			}
		}
	}
	info, err := r.read(ctx, target)
	if err != nil {
		return runtime.Image{}, err
	}
	return info.image(name), nil
}

// newResolver talks to the image's registry: by plain HTTP if that is this host,
// and with a login for that registry only, never for a host that it redirects to.
func newResolver(name, auth string) (remotes.Resolver, error) {
	user, secret, err := parseAuth(auth)
	if err != nil {
		return nil, err
	}
	named, err := reference.ParseDockerRef(name)
	if err != nil {
		return nil, err
	}
	registry := reference.Domain(named)
	login := docker.NewDockerAuthorizer(docker.WithAuthCreds(func(host string) (string, string, error) {
		if host == registry || registry == "docker.io" && strings.HasSuffix(host, ".docker.io") {
			return user, secret, nil
		}
		return "", "", nil
	}))
	return docker.NewResolver(docker.ResolverOptions{Hosts: docker.ConfigureDefaultRegistries(
		docker.WithAuthorizer(login), docker.WithPlainHTTP(docker.MatchLocalhost),
	)}), nil
}

// parseAuth reads a docker-style auth: base64 (either alphabet) of JSON with a
// username and password, or an identity token.
func parseAuth(auth string) (user, secret string, err error) {
	if auth == "" {
		return "", "", nil
	}
	text := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(auth), "=")
	data, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return "", "", api.Invalidf("registry auth: it is not base64")
	}
	var login struct{ Username, Password, IdentityToken string }
	if err := json.Unmarshal(data, &login); err != nil {
		return "", "", api.Invalidf("registry auth: it is not JSON in base64")
	}
	if login.IdentityToken != "" {
		return "", login.IdentityToken, nil
	}
	return login.Username, login.Password, nil
}

// tracker tells how far a pull is.
type tracker struct {
	store    content.Store
	progress func(done, total int64)
	mu       sync.Mutex
	sizes    map[string]int64 // of all content that the pull met, by digest
}

func newTracker(store content.Store, progress func(done, total int64)) *tracker {
	return &tracker{store: store, progress: progress, sizes: map[string]int64{}}
}

// wrap notes what a handler comes across.
func (t *tracker) wrap(next images.Handler) images.Handler {
	return images.HandlerFunc(func(ctx context.Context, desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
		children, err := next.Handle(ctx, desc)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.sizes[desc.Digest.String()] = desc.Size
		if !images.IsIndexType(desc.MediaType) { // of an index, only the chosen one is fetched
			for _, child := range children {
				t.sizes[child.Digest.String()] = child.Size
			}
		}
		return children, err
	})
}

// run reports until stop is called.
func (t *tracker) run(ctx context.Context) (stop func(done bool)) {
	if t.progress == nil {
		return func(bool) {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for last := int64(-1); sleep.For(ctx, 250*time.Millisecond) == nil; {
			done, total := t.sample(ctx)
			if done != last && total > 0 {
				last = done
				t.progress(done, total)
			}
		}
	}()
	return func(whole bool) {
		cancel()
		<-ended
		if whole {
			_, total := t.total()
			t.progress(total, total)
		}
	}
}

func (t *tracker) total() (digests []string, total int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for digest, size := range t.sizes {
		digests = append(digests, digest)
		total += size
	}
	return digests, total
}

// sample asks the store what it has of what the pull met.
func (t *tracker) sample(ctx context.Context) (done, total int64) {
	digests, total := t.total()
	under, err := t.store.ListStatuses(ctx)
	if err != nil {
		return 0, 0
	}
	partial := map[string]int64{}
	for _, status := range under {
		for _, digest := range digests {
			if strings.Contains(status.Ref, digest) {
				partial[digest] = status.Offset
			}
		}
	}
	for _, digest := range digests {
		if offset, found := partial[digest]; found {
			done += offset
			continue
		}
		if info, err := t.store.Info(ctx, godigest.Digest(digest)); err == nil {
			done += info.Size
		}
	}
	return done, total
}
