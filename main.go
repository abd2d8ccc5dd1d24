// Command orc is a container orchestrator in one program: the command line, the
// manager, the agent and the container runtime. This file only hands signals and
// arguments on, and ends the process.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/orc-project/orc/cli"
	"github.com/orc-project/orc/runtime/bundle"
	"github.com/orc-project/orc/runtime/containerd/initproc"
)

func main() {
	if initproc.Called(os.Args) {
		os.Exit(initproc.Main(os.Args))
	}
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	streams := cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	if contents, err := bundle.Contents(); err == nil {
		streams.Parts = contents.Versions()
	}
	return cli.Run(ctx, streams, os.Args[1:])
}
