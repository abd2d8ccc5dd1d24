package api

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
)

// IDLength is the number of characters in an ID.
const IDLength = 25

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// NewID returns a random ID of IDLength lower-case letters and digits: 125 bits,
// as Docker Swarm's are.
func NewID() string {
	var raw [16]byte
	rand.Read(raw[:]) // never fails: crypto/rand ends the process instead
	return IDOf(raw)
}

// IDOf writes 125 of the bits as an ID.
func IDOf(raw [16]byte) string {
	return strings.ToLower(idEncoding.EncodeToString(raw[:]))[:IDLength]
}

// ShortIDLength is how many characters of an ID tables show.
const ShortIDLength = 12

// ShortID returns the part of an ID that tables show.
func ShortID(id string) string {
	if len(id) > ShortIDLength {
		return id[:ShortIDLength]
	}
	return id
}
