package spec_test

import (
	"strings"
	"testing"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/cli/spec"
)

// Whatever is typed either is read into something, or gives an error for users.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"", "8000-8001:80-81/udp", "published=8080,target=80,mode=host", "[::1]:1:2", "type=tmpfs,target=/x,tmpfs-size=1m",
		`type=volume,dst=/n,"volume-opt=o=a,b"`, "0.5", "1e9", "512m", "nofile=1:2", "/dev/a:/b:r", "A=1", "name=a,alias=b", "a:::1", `sh -c "x"`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		check := func(err error) {
			if err != nil && (api.CodeOf(err) != api.CodeInvalid || strings.ContainsRune(err.Error(), '\n')) {
				t.Fatalf("%q: not one line for the user: %v", text, err)
			}
		}
		ports, err := spec.Ports(text)
		check(err)
		for _, port := range ports {
			if port.Target == 0 {
				t.Fatalf("%q: a port without target", text)
			}
		}
		_, err = spec.Mount(text)
		check(err)
		_, err = spec.File("secret", text)
		check(err)
		_, err = spec.Network(text)
		check(err)
		_, err = spec.Host(text)
		check(err)
		_, err = spec.CPUs(text)
		check(err)
		_, err = spec.Bytes("memory", text)
		check(err)
		_, err = spec.Ulimit(text)
		check(err)
		_, err = spec.Device(text)
		check(err)
		_, _, err = spec.Generic(text)
		check(err)
		_, err = spec.Words("args", text)
		check(err)
		_, err = spec.EnvFile("f", strings.NewReader(text), func(string) (string, bool) { return "", false })
		check(err)
	})
}
