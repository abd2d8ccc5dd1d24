package api

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Token is a join token: ORC-1-<digest of the cluster CA>-<secret>. The joiner
// checks the CA against Digest before it sends Secret.
type Token struct {
	// Digest is the lower-case hex SHA-256 of the root certificate's DER bytes.
	Digest string
	// Secret is IDLength characters; it says which role by being that role's.
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
