// Command pack compresses programs into the directory that package bundle embeds,
// with a manifest. The Makefile runs it; it is no part of orc.
//
//	pack OUT NAME=VERSION=PATH…
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/orc-project/orc/runtime/bundle"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("want OUT NAME=VERSION=PATH…")
	}
	out := args[0]
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		return err
	}
	defer encoder.Close()
	var manifest bundle.Manifest
	for _, arg := range args[1:] {
		parts := strings.SplitN(arg, "=", 3)
		if len(parts) != 3 {
			return fmt.Errorf("%q: want NAME=VERSION=PATH", arg)
		}
		content, err := os.ReadFile(parts[2])
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		manifest.Files = append(manifest.Files, bundle.File{
			Name: parts[0], Version: strings.TrimPrefix(parts[1], "v"),
			SHA256: hex.EncodeToString(sum[:]), Size: int64(len(content)),
		})
		packed := encoder.EncodeAll(content, nil)
		if err := os.WriteFile(filepath.Join(out, parts[0]+".zst"), packed, 0o644); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return err
	}
	// Last, because make takes it as the sign that all is done.
	return os.WriteFile(filepath.Join(out, bundle.ManifestName), append(data, '\n'), 0o644)
}
