package ca

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/orc-project/orc/api"
)

// The database has no token's secret, only its hash: who reads it, or a backup of
// it, cannot join. A role's standing token can be shown at any time all the same,
// for its secret is derived from its seed by a key that is in the managers' key
// ring and nowhere in the database. The seed is random, not a number that counts
// up: who has had the ring once cannot tell the tokens to come. All other tokens
// are shown once and then known to nobody.

// Deriver makes the secret of a standing token: the same 16 bytes for the same
// purpose, and nothing that tells of another's.
type Deriver interface {
	Derive(purpose string) [16]byte
}

// RotateTokens gives the roles new standing tokens; the old ones are void. It
// changes cluster, which must be the caller's own copy, but not what the original
// shares with it.
func RotateTokens(cluster *api.Cluster, keys Deriver, now time.Time, roles ...api.Role) {
	cluster.Tokens = slices.DeleteFunc(slices.Clone(cluster.Tokens), func(t api.StoredToken) bool {
		return t.Seed != nil && slices.Contains(roles, t.Role)
	})
	for _, role := range roles {
		token := api.StoredToken{ID: api.NewID(), Role: role, Seed: []byte(api.NewID()), Created: now.UTC()}
		token.Hash = hash(secretOf(&token, keys))
		cluster.Tokens = append(cluster.Tokens, token)
	}
}

// StandingToken shows the standing token of a role.
func StandingToken(cluster *api.Cluster, keys Deriver, role api.Role) (api.JoinToken, error) {
	for i := range cluster.Tokens {
		token := &cluster.Tokens[i]
		if token.Seed == nil || token.Role != role {
			continue
		}
		secret := secretOf(token, keys)
		if !bytes.Equal(hash(secret), token.Hash) {
			return api.JoinToken{}, errors.New("the standing token was made with another key ring than this manager's: `orc token --rotate` makes a new one")
		}
		return show(cluster, token, secret)
	}
	return api.JoinToken{}, api.NotFoundf("there is no standing token of a %s (it was removed, or an older orc made it): `orc token %s --rotate` makes one", role, role)
}

// AddToken makes a token that ends by time or by use, and shows it for the only
// time. It changes cluster as RotateTokens does; what has ended is forgotten.
func AddToken(cluster *api.Cluster, request api.TokenRequest, now time.Time) (api.JoinToken, error) {
	switch {
	case request.Role != api.RoleManager && request.Role != api.RoleWorker:
		return api.JoinToken{}, api.Invalidf("role %q: use manager or worker", request.Role)
	case request.Expires < 0:
		return api.JoinToken{}, api.Invalidf("a token that expires after %s: want a time such as 1h", request.Expires)
	case request.Uses < 0:
		return api.JoinToken{}, api.Invalidf("a token of %d uses: the least is 1", request.Uses)
	case request.Expires == 0 && request.Uses == 0:
		return api.JoinToken{}, api.Invalidf("a token beside the standing one must end: say when it expires, or how many uses it has")
	}
	cluster.Tokens = slices.DeleteFunc(slices.Clone(cluster.Tokens), func(t api.StoredToken) bool { return ended(&t, now) })
	if len(cluster.Tokens) >= api.MaxTokens {
		return api.JoinToken{}, api.Conflictf("there are %d join tokens, and more than that are not kept: remove some with `orc token rm`", len(cluster.Tokens))
	}
	secret := api.NewID()
	token := api.StoredToken{ID: api.NewID(), Role: request.Role, Hash: hash(secret), Created: now.UTC(), Uses: request.Uses}
	if request.Expires > 0 {
		token.Expires = now.UTC().Add(request.Expires.Std())
	}
	cluster.Tokens = append(cluster.Tokens, token)
	return show(cluster, &token, secret)
}

// leastRef is how much of an ID names a token. Tokens have no names, so that a word
// meant for something else must not be a token's.
const leastRef = 4

// RemoveToken makes a token void. ref is its ID or the beginning of it that no other
// one has.
func RemoveToken(cluster *api.Cluster, ref string) error {
	if len(ref) < leastRef {
		return api.Invalidf("token %q: give its ID, or %d characters of it or more: `orc token ls` shows them", ref, leastRef)
	}
	var found []string
	for _, token := range cluster.Tokens {
		if strings.HasPrefix(token.ID, ref) {
			found = append(found, token.ID)
		}
	}
	switch len(found) {
	case 0:
		return api.NoSuch("token", ref, nil, "`orc token ls` shows them")
	case 1:
		cluster.Tokens = slices.DeleteFunc(slices.Clone(cluster.Tokens), func(t api.StoredToken) bool { return t.ID == found[0] })
		return nil
	}
	for i := range found {
		found[i] = api.ShortID(found[i])
	}
	return api.Conflictf("token %s is ambiguous: it matches %s; give more of the ID", ref, strings.Join(found, ", "))
}

// UseToken tells which role a join secret is for, and takes one use from it. It
// changes cluster as RotateTokens does: the use is only taken when the caller
// writes that together with the node. How long it takes does not depend on how
// much of the secret is right; why it is refused, a stranger is not told.
func UseToken(cluster *api.Cluster, secret string, now time.Time) (api.Role, error) {
	sum := hash(secret)
	found := -1
	for i := range cluster.Tokens {
		if subtle.ConstantTimeCompare(sum, cluster.Tokens[i].Hash) == 1 {
			found = i
		}
	}
	if len(cluster.Tokens) == 0 {
		return "", api.Errorf(api.CodeUnauthorized, "this cluster has no join tokens: those that an older orc made are void; `orc token worker --rotate` or `orc token manager --rotate` on a manager makes new ones")
	}
	if found < 0 || ended(&cluster.Tokens[found], now) {
		return "", api.Errorf(api.CodeUnauthorized,
			"the join token is not valid: it is wrong, was rotated or removed, is used up or has expired; `orc token worker` or `orc token manager` on a manager prints one that is in force")
	}
	role := cluster.Tokens[found].Role
	switch cluster.Tokens[found].Uses {
	case 0: // any number
	case 1:
		cluster.Tokens = slices.Delete(slices.Clone(cluster.Tokens), found, found+1)
	default:
		cluster.Tokens = slices.Clone(cluster.Tokens)
		cluster.Tokens[found].Uses--
	}
	return role, nil
}

// Tokens are those that are in force, without what lets anybody join.
func Tokens(cluster *api.Cluster, now time.Time) []api.TokenView {
	views := []api.TokenView{}
	for i := range cluster.Tokens {
		if t := &cluster.Tokens[i]; !ended(t, now) {
			views = append(views, api.TokenView{ID: t.ID, Role: t.Role, Standing: t.Seed != nil, Created: t.Created, Expires: t.Expires, Uses: t.Uses})
		}
	}
	return views
}

// show puts what a joiner needs together; the command is the caller's.
func show(cluster *api.Cluster, token *api.StoredToken, secret string) (api.JoinToken, error) {
	authority, err := Load(cluster)
	if err != nil {
		return api.JoinToken{}, err
	}
	text := api.Token{Digest: authority.Digest(), Secret: secret}.String()
	return api.JoinToken{ID: token.ID, Role: token.Role, Token: text, Expires: token.Expires, Uses: token.Uses}, nil
}

func ended(token *api.StoredToken, now time.Time) bool {
	return !token.Expires.IsZero() && !now.Before(token.Expires)
}

// secretOf derives the secret of a standing token.
func secretOf(token *api.StoredToken, keys Deriver) string {
	return api.IDOf(keys.Derive("join token\x00" + string(token.Role) + "\x00" + hex.EncodeToString(token.Seed)))
}

func hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
