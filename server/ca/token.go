package ca

import (
	"crypto/sha256"
	"crypto/subtle"
	"maps"

	"github.com/orc-project/orc/api"
)

// NewTokens gives the roles new join secrets; the old ones are void. It changes
// cluster, which must be the caller's own copy, but not what the original shares
// with it.
func NewTokens(cluster *api.Cluster, roles ...api.Role) {
	cluster.Tokens, cluster.Secrets = maps.Clone(cluster.Tokens), maps.Clone(cluster.Secrets)
	if cluster.Tokens == nil {
		cluster.Tokens = make(map[api.Role][]byte)
	}
	if cluster.Secrets == nil {
		cluster.Secrets = make(map[api.Role]string)
	}
	for _, role := range roles {
		secret := api.NewID()
		sum := sha256.Sum256([]byte(secret))
		cluster.Tokens[role], cluster.Secrets[role] = sum[:], secret
	}
}

// TokenFor is the join token of a role.
func TokenFor(cluster *api.Cluster, role api.Role) (api.Token, error) {
	secret, found := cluster.Secrets[role]
	if !found {
		return api.Token{}, api.NotFoundf("there is no join token for the role %q: want manager or worker", role)
	}
	roots, err := parseCertificates(cluster.Roots)
	if err != nil {
		return api.Token{}, err
	}
	return api.Token{Digest: digest(roots[len(roots)-1]), Secret: secret}, nil
}

// CheckToken tells which role a join secret is for, in a time that does not
// depend on how much of it is right.
func CheckToken(cluster *api.Cluster, secret string) (api.Role, error) {
	sum := sha256.Sum256([]byte(secret))
	var found api.Role
	for _, role := range []api.Role{api.RoleManager, api.RoleWorker} {
		if hash := cluster.Tokens[role]; subtle.ConstantTimeCompare(sum[:], hash) == 1 {
			found = role
		}
	}
	if found == "" {
		return "", api.Errorf(api.CodeUnauthorized,
			"the join token is not valid, or was rotated: `orc token worker` or `orc token manager` on a manager prints the one in force")
	}
	return found, nil
}
