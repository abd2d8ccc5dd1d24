package node

import (
	"context"

	"github.com/orc-project/orc/server/deploy"
	"github.com/orc-project/orc/server/image"
)

// registry answers deploy's questions from the images' own registries.
type registry struct{ resolver image.Resolver }

// Resolve implements deploy.Resolver.
func (r *registry) Resolve(ctx context.Context, ref, auth string) (deploy.Image, error) {
	digest, config, err := r.resolver.Resolve(ctx, ref, auth)
	return deploy.Image{Digest: digest, Platforms: config.Platforms}, err
}
