// Command pack builds the demo images from the programs beside it, most in the
// versions 1.0 and 2.0, as OCI archives: NAME-VERSION.tar, and all.tar with all.
// The same programs give the same digests. It needs no registry and no root.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
)

// app is a demo program and what its image says of it.
type app struct {
	name    string
	program string // the directory of its source; the name when empty
	tag     string // of the image's only version; empty: one for each of versions
	exposed string // "80/tcp"
	user    string
	check   []string // of the health check
	also    []string // other names of the program, in /bin
}

var apps = []app{
	{name: "whoami", exposed: "80/tcp"},
	{name: "clock", user: "65534:65534"},
	{name: "crasher", user: "65534:65534"},
	{name: "hog", user: "65534:65534"},
	{name: "stubborn", user: "65534:65534"},
	{name: "flapper", exposed: "80/tcp", check: []string{"CMD", "/flapper", "check"}},
	{name: "resolve", user: "65534:65534"},
	{name: "toolbox"},
	{name: "standin", also: []string{"sh", "cat", "env", "stat", "sleep", "curl", "wget", "python", "pg_isready", "redis-cli", "mysqladmin"}},
	{name: "timecheck", program: "clock", user: "65534:65534", also: []string{"timecheck"}},
	{name: "image-of-the-day", program: "gallery", tag: "latest", exposed: "80/tcp", also: galleryNames},
	{name: "access-log", program: "gallery", tag: "latest", exposed: "80/tcp", also: galleryNames},
	{name: "image-gallery", program: "gallery", tag: "latest", exposed: "80/tcp", also: galleryNames},
}

// galleryNames are the same in all of the gallery's images, which share their layer.
var galleryNames = []string{"image-of-the-day", "access-log", "image-gallery", "sh", "nslookup"}

var versions = []string{"1.0", "2.0"}

func main() {
	out := flag.String("o", "build/images", "the directory to write to")
	flag.Parse()
	if err := pack(*out); err != nil {
		log.Fatal(err)
	}
}

func pack(out string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var all []packed
	for _, a := range apps {
		if a.program == "" {
			a.program = a.name
		}
		for _, version := range a.versions() {
			program, err := compile(a.program, version)
			if err != nil {
				return err
			}
			image, err := a.image(version, program)
			if err != nil {
				return fmt.Errorf("image %s %s: %w", a.name, version, err)
			}
			all = append(all, image)
			if err := writeArchive(filepath.Join(out, a.name+"-"+version+".tar"), []packed{image}); err != nil {
				return err
			}
		}
	}
	return writeArchive(filepath.Join(out, "all.tar"), all)
}

func (a app) versions() []string {
	if a.tag != "" {
		return []string{a.tag}
	}
	return versions
}

// compile builds a static program and returns its bytes.
func compile(name, version string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "orc-pack-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, name)
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version="+version,
		"-o", program, "github.com/orc-project/orc/testdata/apps/"+name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("build %s: %w", name, err)
	}
	return os.ReadFile(program)
}
