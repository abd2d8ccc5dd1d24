// Command crasher is a demo: it ends with $CODE (1) after $AFTER (1s).
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"time"
)

var version = "dev"

func main() {
	code, after := 1, time.Second
	var err error
	if text := os.Getenv("CODE"); text != "" {
		if code, err = strconv.Atoi(text); err != nil {
			log.Fatalf("CODE=%s: want a number", text)
		}
	}
	if text := os.Getenv("AFTER"); text != "" {
		if after, err = time.ParseDuration(text); err != nil {
			log.Fatalf("AFTER=%s: want something like 1s", text)
		}
	}
	fmt.Printf("crasher %s ends with %d after %s\n", version, code, after)
	time.Sleep(after)
	fmt.Fprintf(os.Stderr, "crasher %s crashes\n", version)
	os.Exit(code)
}
