// Package image asks registries what an image is: its digest, its platforms and
// the ports that it exposes. It reads manifests and configurations only; it never
// downloads layers and keeps nothing.
package image
