package spec

import (
	"bufio"
	"io"
	"strings"

	"github.com/orc-project/orc/api"
)

// Env reads NAME=value; NAME alone takes the value that lookup has, and is left
// out ("") when it has none, as Docker does.
func Env(text string, lookup func(string) (string, bool)) (string, error) {
	name, _, found := strings.Cut(text, "=")
	if name == "" || strings.ContainsAny(name, " \t\n\x00") {
		return "", api.Invalidf("environment %q: want NAME=value", text)
	}
	if found {
		return text, nil
	}
	if value, ok := lookup(name); ok {
		return name + "=" + value, nil
	}
	return "", nil
}

// EnvFile reads one Env a line; empty lines and lines that begin with # are
// skipped. Values are taken as they stand, quotes too, as Docker does. name
// begins its errors.
func EnvFile(name string, r io.Reader, lookup func(string) (string, bool)) ([]string, error) {
	var env []string
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimLeft(strings.TrimPrefix(lines.Text(), "\ufeff"), " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		entry, err := Env(line, lookup)
		if err != nil {
			return nil, api.Invalidf("%s, line %d: %w", name, number, err)
		}
		if entry != "" {
			env = append(env, entry)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, api.Invalidf("read %s: %w", name, err)
	}
	return env, nil
}

// Pair reads KEY=VALUE (noun begins the error); KEY alone has the empty value.
func Pair(noun, text string) (key, value string, err error) {
	key, value, _ = strings.Cut(text, "=")
	if key = strings.TrimSpace(key); key == "" {
		return "", "", api.Invalidf("%s %q: want KEY=VALUE", noun, text)
	}
	return key, value, nil
}
