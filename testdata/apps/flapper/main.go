// Command flapper is a demo of a health flapper: a web server on $PORT (80) whose
// /health is good for $GOOD (20s) and then bad for $BAD (for ever; 0s is never
// good again). `flapper check` asks it and ends with 0 or 1, so that a health
// check needs no shell.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

var version = "dev"

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "80"
	}
	if len(os.Args) > 1 && os.Args[1] == "check" {
		os.Exit(check(port))
	}
	good, bad := duration("GOOD", 20*time.Second), duration("BAD", 0)
	start := time.Now()
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		age := time.Since(start)
		if bad > 0 {
			age %= good + bad
		}
		if age >= good {
			http.Error(w, "bad", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM, syscall.SIGINT)
	fmt.Printf("flapper %s listens on %s\n", version, port)
	go func() { log.Fatal(http.ListenAndServe(":"+port, nil)) }()
	fmt.Printf("flapper %s ends: %s\n", version, <-stopped)
}

func check(port string) int {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get("http://127.0.0.1:" + port + "/health")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer response.Body.Close()
	fmt.Println(response.Status)
	if response.StatusCode != http.StatusOK {
		return 1
	}
	return 0
}

func duration(name string, value time.Duration) time.Duration {
	text := os.Getenv(name)
	if text == "" {
		return value
	}
	parsed, err := time.ParseDuration(text)
	if err != nil || parsed < 0 {
		log.Fatalf("%s=%s: want something like 20s", name, text)
	}
	return parsed
}
