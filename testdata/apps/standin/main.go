// Command standin stands in for the programs of other people's Compose files, so
// that these can run where their images cannot be had. As the entrypoint it runs
// until it is asked to end, whatever its arguments, or ends at once when one of
// them is migrate. By any of the other names that its image has, such as sh or
// pg_isready, it does nothing and all is well; only cat, env and stat do a little.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	if err := run(filepath.Base(os.Args[0]), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

func run(name string, args []string) error {
	switch name {
	case "standin":
		stand(args)
	case "env":
		fmt.Println(strings.Join(os.Environ(), "\n"))
	case "cat":
		for _, path := range args {
			if err := show(path); err != nil {
				return err
			}
		}
	case "stat":
		for _, path := range args {
			var found syscall.Stat_t
			if err := syscall.Stat(path, &found); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			fmt.Printf("%04o %d:%d %s\n", found.Mode&0o7777, found.Uid, found.Gid, path)
		}
	}
	return nil
}

func stand(args []string) {
	fmt.Printf("stands in for %q\n", args)
	if slices.Contains(args, "migrate") {
		return
	}
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	<-stopped
}

func show(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(os.Stdout, file)
	return err
}
