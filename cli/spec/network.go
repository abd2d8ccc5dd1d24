package spec

import (
	"strings"

	"github.com/orc-project/orc/api"
)

// Network reads what puts a service on a network: its name alone, or
// name=NAME,alias=NAME,alias=….
func Network(text string) (api.NetworkAttachment, error) {
	fields, err := pairs("network", text)
	if err != nil {
		return api.NetworkAttachment{}, err
	}
	if len(fields) == 1 && !fields[0].hasValue {
		return api.NetworkAttachment{Network: text}, nil
	}
	var attachment api.NetworkAttachment
	for _, field := range fields {
		switch field.key {
		case "name":
			attachment.Network = field.value
		case "alias":
			attachment.Aliases = append(attachment.Aliases, field.value)
		default:
			return attachment, api.Invalidf("network %q: %q is not known: use name or alias", text, field.key)
		}
	}
	if attachment.Network == "" {
		return attachment, api.Invalidf("network %q: name=NAME is missing", text)
	}
	return attachment, nil
}

// Host reads NAME:ADDRESS for /etc/hosts.
func Host(text string) (string, error) {
	name, address, err := api.SplitHost(text)
	if err != nil {
		return "", err
	}
	return name + ":" + address, nil
}

// Preference reads spread=node.labels.zone.
func Preference(text string) (api.Preference, error) {
	key, value, _ := strings.Cut(text, "=")
	if key != "spread" || value == "" {
		return api.Preference{}, api.Invalidf("placement preference %q: want something like spread=node.labels.zone", text)
	}
	return api.Preference{Spread: value}, nil
}
