// Package spec reads what Docker's users write in flags (ports, mounts, limits,
// environment) into the fields of an api.ServiceSpec. It is pure: it reads no
// file and no environment that is not handed to it, and knows no flag library.
//
// What is wrong comes back as an *api.Error that quotes the text and says what
// is wanted; whether the value makes sense in its service, api.Validate says.
package spec

import (
	"encoding/csv"
	"strings"

	"github.com/orc-project/orc/api"
)

// pair is one key=value of a comma-separated list; hasValue is false for a bare key.
type pair struct {
	key, value string
	hasValue   bool
}

// pairs reads "a=b,c,d=e". Values with commas are quoted as in CSV (RFC 4180).
func pairs(what, text string) ([]pair, error) {
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, api.Invalidf("%s %q: want key=value, separated by commas", what, text)
	}
	result := make([]pair, len(fields))
	for i, field := range fields {
		key, value, found := strings.Cut(field, "=")
		result[i] = pair{key: strings.ToLower(strings.TrimSpace(key)), value: value, hasValue: found}
	}
	return result, nil
}

// flag reads the value of a key that is true when bare.
func (p pair) flag(what string) (bool, error) {
	switch {
	case !p.hasValue, p.value == "true", p.value == "1":
		return true, nil
	case p.value == "false", p.value == "0":
		return false, nil
	}
	return false, api.Invalidf("%s: %s=%q: want true or false", what, p.key, p.value)
}
