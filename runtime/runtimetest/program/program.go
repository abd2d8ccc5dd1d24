// Package program is the one program in the conformance suite's image. The fake
// runtime runs it as a function, a real one as a static binary (program/app), so
// that both are judged by what the same process sees and does. It is for tests
// only and knows no runtime.
package program

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Process is what the program sees of itself; Killed may be nil.
type Process struct {
	Args    []string // the program's own name first
	Env     []string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Signals <-chan os.Signal
	Killed  <-chan struct{}
}

// Run does what the first argument says and returns the exit code.
func Run(p *Process) int {
	if len(p.Args) < 2 {
		fmt.Fprintln(p.Stderr, "what to do? run, deaf, exit, say, env, cat or ask")
		return 64
	}
	args := p.Args[2:]
	switch p.Args[1] {
	case "run":
		return run(p)
	case "deaf":
		return deaf(p)
	case "exit":
		return exit(p, args)
	case "say":
		return say(p, args)
	case "env":
		fmt.Fprintln(p.Stdout, strings.Join(p.Env, "\n"))
		return 0
	case "cat":
		return cat(p)
	case "lines":
		return lines(p, args)
	default:
		return ask(p, p.Args[1], args)
	}
}

// run says that it is ready and ends well when it is asked to.
func run(p *Process) int {
	fmt.Fprintln(p.Stdout, "ready")
	for {
		select {
		case received := <-p.Signals:
			if received == syscall.SIGTERM || received == syscall.SIGINT {
				fmt.Fprintln(p.Stdout, "bye")
				return 0
			}
			fmt.Fprintln(p.Stdout, "got", received)
		case <-p.Killed:
			return 137
		}
	}
}

// deaf takes no notice of any signal that it can take no notice of.
func deaf(p *Process) int {
	fmt.Fprintln(p.Stdout, "ready")
	for {
		select {
		case <-p.Signals:
		case <-p.Killed:
			return 137
		}
	}
}

func exit(p *Process, args []string) int {
	if len(args) == 1 {
		if code, err := strconv.Atoi(args[0]); err == nil {
			return code
		}
	}
	fmt.Fprintln(p.Stderr, "exit wants a number")
	return 64
}

// say writes its first argument to stdout and its second to stderr.
func say(p *Process, args []string) int {
	for i, out := range []io.Writer{p.Stdout, p.Stderr} {
		if i < len(args) {
			fmt.Fprintln(out, args[i])
		}
	}
	return 0
}

func cat(p *Process) int {
	if _, err := io.Copy(p.Stdout, p.Stdin); err != nil {
		fmt.Fprintln(p.Stderr, err)
		return 1
	}
	return 0
}

// lines writes so many numbered lines.
func lines(p *Process, args []string) int {
	count, err := strconv.Atoi(strings.Join(args, ""))
	if err != nil {
		fmt.Fprintln(p.Stderr, err)
		return 64
	}
	out := bufio.NewWriter(p.Stdout)
	for i := range count {
		fmt.Fprintln(out, "line", i)
	}
	if err := out.Flush(); err != nil {
		return 1
	}
	return 0
}
