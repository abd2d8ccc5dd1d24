package image

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/orc-project/orc/api"
)

var errTooLarge = errors.New("the registry's answer is larger than a manifest may be")

// errNotImage is an artifact that is no image, by its media type.
type errNotImage types.MediaType

func (e errNotImage) Error() string { return "this is no container image but " + api.Quoted(string(e)) }

// explain turns what a registry or the network says into one line for the user.
func explain(ref, registry string, err error) error {
	var notImage errNotImage
	var answer *transport.Error
	switch {
	case errors.As(err, &notImage), errors.Is(err, errTooLarge):
		return api.Invalidf("image %s: %w", ref, err)
	case errors.Is(err, context.DeadlineExceeded):
		return api.Errorf(api.CodeUnavailable, "image %s: registry %s did not answer in time: try again", ref, registry)
	case errors.Is(err, context.Canceled):
		return api.Errorf(api.CodeUnavailable, "image %s: the question to registry %s was given up", ref, registry)
	case errors.As(err, &answer):
		return explainAnswer(ref, registry, answer)
	}
	return api.Errorf(api.CodeUnavailable, "image %s: registry %s cannot be reached: %s", ref, registry, oneLine(err))
}

func explainAnswer(ref, registry string, answer *transport.Error) error {
	for _, diagnostic := range answer.Errors {
		switch diagnostic.Code {
		case transport.ManifestUnknownErrorCode, transport.NameUnknownErrorCode:
			return api.NotFoundf("image %s: registry %s has no such image: check its name and tag", ref, registry)
		}
	}
	switch answer.StatusCode {
	case http.StatusNotFound:
		return api.NotFoundf("image %s: registry %s has no such image: check its name and tag", ref, registry)
	case http.StatusUnauthorized, http.StatusForbidden:
		return api.Errorf(api.CodeUnauthorized, "image %s: registry %s refuses: it is private or does not exist; log in and use --with-registry-auth", ref, registry)
	case http.StatusTooManyRequests:
		return api.Errorf(api.CodeUnavailable, "image %s: registry %s wants fewer requests: try again later, or log in and use --with-registry-auth", ref, registry)
	}
	return api.Errorf(api.CodeUnavailable, "image %s: registry %s answers %d: %s", ref, registry, answer.StatusCode, oneLine(answer))
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// authenticator reads a docker-style auth: base64, of either alphabet, of JSON.
func authenticator(auth string) (authn.Authenticator, error) {
	if auth == "" {
		return authn.Anonymous, nil
	}
	text := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(auth), "=")
	data, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, api.Invalidf("registry auth: it is not base64")
	}
	var login struct{ Username, Password, IdentityToken, RegistryToken string }
	if err := json.Unmarshal(data, &login); err != nil {
		return nil, api.Invalidf("registry auth: it is not JSON in base64")
	}
	return authn.FromConfig(authn.AuthConfig{Username: login.Username, Password: login.Password,
		IdentityToken: login.IdentityToken, RegistryToken: login.RegistryToken}), nil
}
