// Command clock is a demo: it logs its name, its version and the time every $INTERVAL
// (1s) until SIGTERM.
package main

import (
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

var version = "dev"

func main() {
	interval := time.Second
	if text := os.Getenv("INTERVAL"); text != "" {
		var err error
		if interval, err = time.ParseDuration(text); err != nil || interval <= 0 {
			log.Fatalf("INTERVAL=%s: want something like 1s", text)
		}
	}
	name := filepath.Base(os.Args[0])
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM, syscall.SIGINT)
	ticker := time.NewTicker(interval)
	for n := 1; ; n++ {
		fmt.Printf("%s %s: %d: %s\n", name, version, n, time.Now().Format(time.RFC3339))
		select {
		case <-ticker.C:
		case s := <-stopped:
			fmt.Printf("%s %s ends: %s\n", name, version, s)
			return
		}
	}
}
