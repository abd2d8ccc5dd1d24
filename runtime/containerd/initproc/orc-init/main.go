// Command orc-init is package initproc as a program of its own, small enough to be
// in every container that wants an init.
package main

import (
	"os"

	"github.com/orc-project/orc/runtime/containerd/initproc"
)

func main() { os.Exit(initproc.Main(os.Args)) }
