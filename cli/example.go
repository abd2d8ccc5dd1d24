package cli

import "strings"

// examples is a Description of command lines.
func examples(lines ...string) string {
	return "Examples:\n  " + strings.Join(lines, "\n  ")
}

// argName is what usage calls an argument that names a thing.
func argName(noun string) string { return strings.ToUpper(noun) }

// sample is a name for examples.
func sample(noun string) string {
	switch noun {
	case "node":
		return "n2"
	case "app":
		return "shop"
	case "network":
		return "front"
	case "volume":
		return "data"
	case "secret":
		return "db-password"
	case "config":
		return "nginx.conf"
	case "token":
		return "3kq0v8c1d2f4"
	}
	return "web"
}
