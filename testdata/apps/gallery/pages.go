package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// picture is the image of the day: words, for all days.
func picture(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, "A whale and her calf, seen by %s\n", hostname())
}

// visits counts what is posted to it.
type visits struct{ count atomic.Int64 }

func (v *visits) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		v.count.Add(1)
	}
	fmt.Fprintf(w, "%d visits\n", v.count.Load())
}

// gallery is the page that people see. It has the addresses of the other two.
type gallery struct{ picture, visits string }

// client makes a connection per question, so that each is balanced anew.
var client = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func (g gallery) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	visitor, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		visitor = r.RemoteAddr
	}
	log.Printf("visited by %s", visitor)
	image, err := content(client.Get(g.picture))
	counted, errCounted := content(client.Post(g.visits, "text/plain", strings.NewReader(visitor)))
	if err := errors.Join(err, errCounted); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprintf(w, "%s%sgallery: %s\nvisitor: %s\n", image, counted, hostname(), visitor)
}

func content(response *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", response.Request.URL, response.Status, body)
	}
	return string(body), err
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	return name
}
