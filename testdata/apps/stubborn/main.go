// Command stubborn is a demo of a slow stopper: on SIGTERM it goes on for $DELAY
// (5s), or for ever when that is "never".
package main

import (
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"
)

var version = "dev"

func main() {
	delay, never := 5*time.Second, false
	switch text := os.Getenv("DELAY"); text {
	case "":
	case "never":
		never = true
	default:
		var err error
		if delay, err = time.ParseDuration(text); err != nil {
			log.Fatalf("DELAY=%s: want something like 5s, or never", text)
		}
	}
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM, syscall.SIGINT)
	fmt.Printf("stubborn %s runs\n", version)
	for {
		fmt.Printf("stubborn %s got %s\n", version, <-stopped)
		if !never {
			time.Sleep(delay)
			fmt.Printf("stubborn %s ends after %s\n", version, delay)
			return
		}
	}
}
