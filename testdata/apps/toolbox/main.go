// Command toolbox is a demo: it waits until SIGTERM, and has the few commands that
// people try with exec, for its image has no shell.
//
//	toolbox echo TEXT… | cat | env | id | exit CODE | ls DIRECTORY | head FILE | append FILE TEXT…
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

var version = "dev"

func main() {
	if len(os.Args) < 2 {
		wait()
		return
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "toolbox:", err)
		os.Exit(1)
	}
}

func wait() {
	fmt.Printf("toolbox %s waits\n", version)
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM, syscall.SIGINT)
	<-stopped
}

func run(command string, args []string) error {
	switch command {
	case "echo":
		fmt.Println(strings.Join(args, " "))
	case "cat":
		_, err := io.Copy(os.Stdout, os.Stdin)
		return err
	case "env":
		fmt.Println(strings.Join(os.Environ(), "\n"))
	case "id":
		fmt.Printf("uid=%d gid=%d\n", os.Getuid(), os.Getgid())
	case "exit":
		code, err := strconv.Atoi(strings.Join(args, ""))
		if err != nil {
			return err
		}
		os.Exit(code)
	case "ls":
		entries, err := os.ReadDir(strings.Join(args, " "))
		for _, entry := range entries {
			fmt.Println(entry.Name())
		}
		return err
	case "head":
		data, err := os.ReadFile(strings.Join(args, " "))
		fmt.Print(string(data[:min(len(data), 4096)]))
		return err
	case "append":
		if len(args) == 0 {
			return fmt.Errorf("append: to which file?")
		}
		file, err := os.OpenFile(args[0], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(file, strings.Join(args[1:], " "))
		return errors.Join(err, file.Close())
	default:
		return fmt.Errorf("no such command: %s", command)
	}
	return nil
}
