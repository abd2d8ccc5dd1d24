// Command resolve is a demo client for containers without a shell:
//
//	resolve dns NAME               the name's addresses, one a line
//	resolve get URL [-n 1] [-c 1]  n requests, c at once: answers with their counts
//	resolve ptr ADDRESS            the address's names
//	resolve                        waits for SIGTERM
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

var version = "dev"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "resolve:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 0:
		stopped := make(chan os.Signal, 1)
		signal.Notify(stopped, syscall.SIGTERM, syscall.SIGINT)
		fmt.Printf("resolve %s waits\n", version)
		<-stopped
		return nil
	case args[0] == "dns" && len(args) == 2:
		addresses, err := net.LookupHost(args[1])
		if err != nil {
			return err
		}
		slices.Sort(addresses)
		for _, address := range addresses {
			fmt.Println(address)
		}
		return nil
	case args[0] == "ptr" && len(args) == 2:
		names, err := net.LookupAddr(args[1])
		if err != nil {
			return err
		}
		fmt.Println(strings.Join(names, "\n"))
		return nil
	case args[0] == "get" && len(args) > 1:
		return get(args[1], args[2:])
	}
	return errors.New("use: resolve dns NAME | resolve ptr ADDRESS | resolve get URL [-n 1] [-c 1]")
}

func get(url string, args []string) error {
	flags := flag.NewFlagSet("get", flag.ContinueOnError)
	n, c := flags.Int("n", 1, "requests"), flags.Int("c", 1, "at once")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *n < 1 || *c < 1 {
		return errors.New("-n and -c must be 1 or more")
	}
	// A connection per request, so that each is balanced anew.
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answers, failed := make(map[string]int), 0
	var lock sync.Mutex
	var group sync.WaitGroup
	work := make(chan struct{}, *n)
	for range *n {
		work <- struct{}{}
	}
	close(work)
	for range *c {
		group.Go(func() {
			for range work {
				answer, err := ask(&client, url)
				lock.Lock()
				if err != nil {
					failed++
					answer = err.Error()
				}
				answers[answer]++
				lock.Unlock()
			}
		})
	}
	group.Wait()
	for _, answer := range slices.Sorted(maps.Keys(answers)) {
		fmt.Printf("%d times:\n%s\n", answers[answer], answer)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d requests failed", failed, *n)
	}
	return nil
}

func ask(client *http.Client, url string) (string, error) {
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return "", err
	}
	if response.StatusCode >= 400 {
		return "", fmt.Errorf("%s: %s", response.Status, body)
	}
	return string(body), nil
}
