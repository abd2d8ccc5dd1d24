// Command gallery is a demo of three services that need each other, a program for
// all: as image-gallery it shows the picture that it asks image-of-the-day for, and
// tells access-log of every visitor. They know each other by the names iotd and
// accesslog alone. All serve HTTP on port 80 until SIGTERM and keep no state. It is
// also the sh and the nslookup of its images.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	name := filepath.Base(os.Args[0])
	switch name {
	case "sh":
		shell(os.Stdin, os.Stdout)
	case "nslookup":
		if err := lookup(os.Stdout, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "nslookup:", err)
			os.Exit(1)
		}
	case "image-of-the-day":
		serve(name, http.HandlerFunc(picture))
	case "access-log":
		serve(name, new(visits))
	case "image-gallery":
		serve(name, gallery{picture: "http://iotd/", visits: "http://accesslog/"})
	default:
		log.Fatalf("%s: want to be called image-of-the-day, access-log or image-gallery", name)
	}
}

// serve answers until SIGTERM.
func serve(name string, handler http.Handler) {
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM, syscall.SIGINT)
	go func() { log.Fatal(http.ListenAndServe(":80", handler)) }()
	log.Printf("%s serves", name)
	log.Printf("%s ends: %s", name, <-stopped)
}
