//go:build !bundle

package bundle

import "io/fs"

func embedded() (fs.FS, error) { return nil, ErrNone }

func release() {}
