package spec

import (
	"strconv"

	"github.com/orc-project/orc/api"
)

// File reads what gives a secret or a config (noun) to a container: its name
// alone, or source=NAME,target=PATH,uid=0,gid=0,mode=0400.
func File(noun, text string) (api.FileReference, error) {
	fields, err := pairs(noun, text)
	if err != nil {
		return api.FileReference{}, err
	}
	if len(fields) == 1 && !fields[0].hasValue {
		return api.FileReference{Source: text}, nil
	}
	var file api.FileReference
	for _, field := range fields {
		switch field.key {
		case "source", "src":
			file.Source = field.value
		case "target":
			file.Target = field.value
		case "uid":
			file.UID = field.value
		case "gid":
			file.GID = field.value
		case "mode":
			if file.Mode, err = mode(noun+" "+strconv.Quote(text)+": mode", field.value); err != nil {
				return file, err
			}
		default:
			return file, api.Invalidf("%s %q: %q is not known: use source, target, uid, gid or mode", noun, text, field.key)
		}
	}
	if file.Source == "" {
		return file, api.Invalidf("%s %q: source=NAME is missing", noun, text)
	}
	return file, nil
}
