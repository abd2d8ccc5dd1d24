package cli

import (
	"strings"

	"github.com/orc-project/orc/api"
)

// nameFrom makes a name for a service that was given none: the last part of its
// image's name, and some letters that make it another one than the last.
func nameFrom(image string) string {
	base := image[strings.LastIndexByte(image, '/')+1:]
	base, _, _ = strings.Cut(base, "@")
	base, _, _ = strings.Cut(base, ":")
	base = strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '-'
	}, base), "-_.")
	if base == "" {
		base = "service"
	}
	if len(base) > 40 {
		base = base[:40]
	}
	return base + "-" + api.NewID()[:5]
}
