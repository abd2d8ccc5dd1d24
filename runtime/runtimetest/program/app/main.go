// Command app is the conformance suite's program as a binary, for images.
package main

import (
	"os"
	"os/signal"

	"github.com/orc-project/orc/runtime/runtimetest/program"
)

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals)
	os.Exit(program.Run(&program.Process{
		Args: os.Args, Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals,
	}))
}
