package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
)

// shell runs the commands that it reads, one a line, until exit or the end. It
// knows words and nothing else of a shell's language.
func shell(from io.Reader, to io.Writer) {
	lines := bufio.NewScanner(from)
	for fmt.Fprint(to, "$ "); lines.Scan(); fmt.Fprint(to, "$ ") {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		if words[0] == "exit" {
			return
		}
		command := exec.Command(words[0], words[1:]...)
		command.Stdin, command.Stdout, command.Stderr = os.Stdin, to, os.Stderr
		if err := command.Run(); err != nil {
			fmt.Fprintln(to, "sh:", err)
		}
	}
}

// lookup prints a name's addresses as nslookup does.
func lookup(to io.Writer, args []string) error {
	if len(args) != 1 {
		return errors.New("which name?")
	}
	addresses, err := net.LookupHost(args[0])
	if err != nil {
		return err
	}
	for _, address := range addresses {
		fmt.Fprintf(to, "Name:\t%s\nAddress: %s\n", args[0], address)
	}
	return nil
}
