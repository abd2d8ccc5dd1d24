package api

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// Token is a join token: ORC-1-<digest of the cluster CA>-<secret>. The joiner
// checks the CA against Digest before it sends Secret.
type Token struct {
	// Digest is the lower-case hex SHA-256 of the root certificate's DER bytes.
	Digest string
	// Secret is IDLength characters: 125 bits that say nothing.
	Secret string
}

const tokenPrefix = "ORC-1-"

// String is the form people copy.
func (t Token) String() string { return tokenPrefix + t.Digest + "-" + t.Secret }

// ParseToken reads the form of String.
func ParseToken(text string) (Token, error) {
	rest, found := strings.CutPrefix(strings.TrimSpace(text), tokenPrefix)
	digest, secret, cut := strings.Cut(rest, "-")
	raw, err := hex.DecodeString(digest)
	if !found || !cut || err != nil || len(raw) != sha256.Size || len(secret) != IDLength {
		return Token{}, Invalidf("this is not a join token: want %s<64 hex digits>-<%d characters>; `orc token worker` on a manager prints one", tokenPrefix, IDLength)
	}
	return Token{Digest: strings.ToLower(digest), Secret: secret}, nil
}

// StoredToken is what the cluster keeps of a join token; the secret it does not.
type StoredToken struct {
	ID   string `json:"id"`
	Role Role   `json:"role"`
	// Hash is the SHA-256 of the secret. A slow hash would add nothing: the secret
	// is random, not a word.
	Hash []byte `json:"hash"`
	// Seed is set in a role's standing token, whose secret is derived from it and
	// the managers' keys whenever it is to be shown. Others are shown once.
	Seed    []byte    `json:"seed,omitempty"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
	// Uses is how many hosts may still join by it; 0 is any number. One that has
	// none left is removed.
	Uses int `json:"uses,omitempty"`
}

// MaxTokens is how many join tokens a cluster keeps at once.
const MaxTokens = 100

// TokenRequest is POST /v1/tokens: make a token beside the standing one. One of
// the limits at least must be set.
type TokenRequest struct {
	Role Role `json:"role"`
	// Expires is how long it is good for.
	Expires Duration `json:"expires,omitempty"`
	// Uses is how many hosts may join by it.
	Uses int `json:"uses,omitempty"`
}

// TokenView is what GET /v1/tokens tells of a token.
type TokenView struct {
	ID       string    `json:"id"`
	Role     Role      `json:"role"`
	Standing bool      `json:"standing,omitempty"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`
	Uses     int       `json:"uses,omitempty"` // left; 0 is any number
}
