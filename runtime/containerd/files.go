package containerd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/orc-project/orc/runtime"
)

// files plans a container's own files under its run directory and returns their
// mounts. writeFiles makes them.
func (r *Runtime) files(spec runtime.Spec) []specs.Mount {
	dir := r.layout.container(spec.ID)
	var mounts []specs.Mount
	bind := func(source, target string, options ...string) {
		mounts = append(mounts, specs.Mount{
			Destination: target, Type: "bind", Source: source, Options: append([]string{"rbind", "rprivate"}, options...),
		})
	}
	for name := range system(spec) {
		bind(filepath.Join(dir, name), "/etc/"+name)
	}
	for i, file := range spec.Files {
		bind(filepath.Join(dir, "files", strconv.Itoa(i)), file.Target, "ro")
	}
	return mounts
}

// system are the files that say who and where the container is.
func system(spec runtime.Spec) map[string][]byte {
	hostname := (&blueprint{Spec: spec}).hostname()
	files := map[string][]byte{"hostname": []byte(hostname + "\n"), "hosts": spec.Network.Hosts, "resolv.conf": spec.Network.Resolv}
	if files["hosts"] == nil {
		files["hosts"] = []byte("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t" + hostname + "\n")
		if data, err := os.ReadFile("/etc/hosts"); err == nil && spec.Network.Mode == "host" {
			files["hosts"] = data
		}
	}
	if files["resolv.conf"] == nil {
		files["resolv.conf"] = []byte{}
		if data, err := os.ReadFile("/etc/resolv.conf"); err == nil && spec.Network.Mode == "host" {
			files["resolv.conf"] = data
		}
	}
	return files
}

// writeFiles writes them. Secrets go to a tmpfs that is mounted for this container
// and gone with it: never to a disk.
func (r *Runtime) writeFiles(spec runtime.Spec) error {
	dir := r.layout.container(spec.ID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write container's files: %w", err)
	}
	for name, data := range system(spec) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return fmt.Errorf("write container's files: %w", err)
		}
		if err := os.Chmod(path, 0o644); err != nil { // whatever the umask
			return fmt.Errorf("write container's files: %w", err)
		}
	}
	if len(spec.Files) == 0 {
		return nil
	}
	memory := filepath.Join(dir, "files")
	if err := os.Mkdir(memory, 0o700); err != nil {
		return fmt.Errorf("write secrets: %w", err)
	}
	size := 1 << 16
	for _, file := range spec.Files {
		size += (len(file.Data) + 8191) &^ 4095
	}
	if err := mountMemory(memory, size); err != nil {
		return fmt.Errorf("write secrets: %w", err)
	}
	for i, file := range spec.Files {
		if err := writeFile(filepath.Join(memory, strconv.Itoa(i)), file); err != nil {
			return fmt.Errorf("write secret for %s: %w", file.Target, err)
		}
	}
	return nil
}

// mountMemory mounts a tmpfs that is not swapped out where the kernel can promise
// that (noswap: Linux 6.4).
func mountMemory(dir string, size int) error {
	options := fmt.Sprintf("size=%d,mode=0700", size)
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	err := unix.Mount("tmpfs", dir, "tmpfs", flags, options+",noswap")
	if errors.Is(err, unix.EINVAL) {
		err = unix.Mount("tmpfs", dir, "tmpfs", flags, options)
	}
	return err
}

// writeFile makes a file with exactly its owner and mode.
func writeFile(path string, file runtime.File) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(file.Data)
	return errors.Join(err, out.Chown(file.UID, file.GID), unix.Fchmod(int(out.Fd()), file.Mode&0o7777), out.Close())
}

// removeFiles removes a container's run directory.
func (r *Runtime) removeFiles(id string) error {
	dir := r.layout.container(id)
	err := unix.Unmount(filepath.Join(dir, "files"), unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) { // not mounted, not there
		return fmt.Errorf("unmount secrets: %w", err)
	}
	return os.RemoveAll(dir)
}

// makeFIFOs makes the FIFOs of an output that do not exist yet.
func makeFIFOs(output runtime.Output) error {
	for _, path := range []string{output.Stdin, output.Stdout, output.Stderr} {
		if path == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("make FIFO: %w", err)
		}
		if err := unix.Mkfifo(path, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make FIFO %s: %w", path, err)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeNamedPipe {
			return fmt.Errorf("make FIFO %s: something else is there", path)
		}
	}
	return nil
}

// removeFIFOs removes them; a reader that has one open reads it to its end.
func removeFIFOs(output runtime.Output) error {
	var err error
	for _, path := range []string{output.Stdin, output.Stdout, output.Stderr} {
		if path != "" {
			err = errors.Join(err, removeIfThere(path))
		}
	}
	return err
}
