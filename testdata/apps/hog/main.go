// Command hog is a demo: it takes $STEP (10) MiB of memory every $INTERVAL (100ms)
// until it has $MAX (no bound), or is killed.
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
	step, most, interval := number("STEP", 10), number("MAX", 0), 100*time.Millisecond
	if text := os.Getenv("INTERVAL"); text != "" {
		var err error
		if interval, err = time.ParseDuration(text); err != nil {
			log.Fatalf("INTERVAL=%s: want something like 100ms", text)
		}
	}
	var held [][]byte
	for total := 0; ; {
		if most == 0 || total+step <= most {
			page := make([]byte, step<<20)
			for i := 0; i < len(page); i += 4096 {
				page[i] = 1 // or the kernel gives no memory for it
			}
			held = append(held, page)
			total += step
			fmt.Printf("hog %s holds %d MiB in %d parts\n", version, total, len(held))
		}
		time.Sleep(interval)
	}
}

func number(name string, value int) int {
	text := os.Getenv(name)
	if text == "" {
		return value
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		log.Fatalf("%s=%s: want a number of MiB", name, text)
	}
	return n
}
