// Command whoami is a demo: a web server on $PORT (80) that tells its host name,
// its version and the client's address, over HTTP and, for every packet, over UDP on
// the same port. `whoami check` asks it and ends with 0 or 1: a health check that
// needs no shell. It keeps no state.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

var version = "dev"

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "80"
	}
	if len(os.Args) > 1 && os.Args[1] == "check" {
		if err := check(port); err != nil {
			log.Fatal(err)
		}
		return
	}
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		log.Fatal(err)
	}
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM, syscall.SIGINT)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", root)
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /env", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, strings.Join(os.Environ(), "\n"))
	})
	log.Printf("whoami %s listens on %s", version, listener.Addr())
	go func() {
		if err := http.Serve(listener, mux); !errors.Is(err, net.ErrClosed) {
			log.Fatal(err)
		}
	}()
	packets, err := net.ListenPacket("udp", ":"+port)
	if err != nil {
		log.Fatal(err)
	}
	go answer(packets)
	log.Printf("whoami %s ends: %s", version, <-stopped)
}

func check(port string) error {
	response, err := http.Get("http://127.0.0.1:" + port + "/health")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// answer sends every packet's sender what root says.
func answer(packets net.PacketConn) {
	hostname, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	var buffer [2048]byte
	for {
		_, from, err := packets.ReadFrom(buffer[:])
		if err != nil {
			log.Fatal(err)
		}
		if _, err := packets.WriteTo(fmt.Appendf(nil, "hostname: %s\nversion: %s\nclient: %s\n", hostname, version, from), from); err != nil {
			log.Print(err) // the sender may be gone
		}
	}
}

func root(w http.ResponseWriter, r *http.Request) {
	hostname, err := os.Hostname()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	log.Printf("%s %s from %s", r.Method, r.URL.Path, r.RemoteAddr)
	if strings.Contains(r.Header.Get("Accept"), "json") {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(map[string]string{"hostname": hostname, "version": version, "client": r.RemoteAddr}); err != nil {
			log.Print(err)
		}
		return
	}
	fmt.Fprintf(w, "hostname: %s\nversion: %s\nclient: %s\n", hostname, version, r.RemoteAddr)
}
