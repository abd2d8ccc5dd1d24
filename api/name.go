package api

import "regexp"

// MaxNameLength is the longest name of a service, app, network, secret, config
// or node: one DNS label (RFC 1035, section 2.3.4).
const MaxNameLength = 63

var namePattern = regexp.MustCompile(`^[a-zA-Z0-9](?:[-_.a-zA-Z0-9]*[a-zA-Z0-9])?$`)

// ValidateName checks a name that a user gives; noun ("service", "network")
// begins the error.
func ValidateName(noun, name string) error {
	switch {
	case name == "":
		return Invalidf("%s: a name is needed", noun)
	case len(name) > MaxNameLength:
		return Invalidf("%s name %s is longer than %d characters", noun, Quoted(name), MaxNameLength)
	case !namePattern.MatchString(name):
		return Invalidf("%s name %q: use letters, digits, '-', '_' and '.', with a letter or digit at both ends", noun, name)
	}
	return nil
}
