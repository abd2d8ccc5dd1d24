package cli

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/orc-project/orc/api"
)

// registryAuth is the login that this user's Docker configuration has for an
// image's registry, as api.ContainerSpec.RegistryAuth wants it; "" for none.
func (p *program) registryAuth(image string) (string, error) {
	reference, err := name.ParseReference(image)
	if err != nil {
		return "", api.Invalidf("image %q: %w", image, err)
	}
	found, err := authn.DefaultKeychain.Resolve(reference.Context())
	if err != nil {
		return "", fmt.Errorf("read the registry login for %s: %w", reference.Context().RegistryStr(), err)
	}
	config, err := found.Authorization()
	if err != nil {
		return "", fmt.Errorf("read the registry login for %s: %w", reference.Context().RegistryStr(), err)
	}
	if *config == (authn.AuthConfig{}) {
		return "", nil
	}
	data, err := json.Marshal(map[string]string{
		"username": config.Username, "password": config.Password,
		"identitytoken": config.IdentityToken, "registrytoken": config.RegistryToken,
	})
	if err != nil {
		return "", fmt.Errorf("encode the registry login: %w", err)
	}
	return base64.URLEncoding.EncodeToString(data), nil
}
