//go:build bundle

package bundle

import (
	"embed"
	"io/fs"
)

//go:embed embedded
var packed embed.FS

func embedded() (fs.FS, error) { return fs.Sub(packed, "embedded") }
