package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/rest"
)

// guesser makes requests that somebody might try.
type guesser struct {
	*rand.Rand
	patterns []string
}

func newGuesser(random *rand.Rand, s *Server) *guesser {
	g := &guesser{Rand: random}
	for _, route := range rest.Routes() {
		g.patterns = append(g.patterns, route.Method+" "+route.Path)
	}
	for _, route := range s.routes() {
		g.patterns = append(g.patterns, route.pattern)
	}
	return g
}

func pick[T any](g *guesser, from ...T) T { return from[g.IntN(len(from))] }

func (g *guesser) request() []byte {
	method, path, _ := strings.Cut(pick(g, g.patterns...), " ")
	if g.IntN(4) == 0 {
		method = pick(g, "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "X")
	}
	path = g.twist(path)
	if strings.HasPrefix(path, "/v1/session") && g.IntN(20) > 0 {
		path = "/v1/secrets" // a session takes some milliseconds
	}
	body := g.body()
	var raw bytes.Buffer
	fmt.Fprintf(&raw, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", method, path, pick(g, "m1", "localhost", "unix", ""), len(body))
	for range g.IntN(4) {
		raw.WriteString(pick(g,
			"X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Authorization: Bearer planted", "X-Remote-User: root", "X-Orc-Role: manager",
			"X-HTTP-Method-Override: GET", "X-Original-URL: /v1/secrets", "Forwarded: for=127.0.0.1", "Upgrade: h2c", "Connection: Upgrade",
			"X-Forwarded-Client-Cert: Subject=\"OU=manager,CN=m1\"", "Cookie: role=manager", "Accept: */*", "Expect: 100-continue", "Range: bytes=0-10",
		) + "\r\n")
	}
	raw.WriteString("\r\n")
	raw.Write(body)
	return raw.Bytes()
}

// twist fills in what a path leaves open, and tries tricks.
func (g *guesser) twist(path string) string {
	for _, hole := range []string{"{ref}", "{role}", "{node}", "{id}"} {
		path = strings.ReplaceAll(path, hole, pick(g,
			"theirtask", "theirs", "theirs1", "theirs.1", "mine", "mytask", "w1", "w2", "m1", "self", "secret1", "key", "config1", "conf", "manager", "worker",
			"..", "%2e%2e", ".", "*", "%00", "a%2f..%2fb", url.PathEscape(strings.Repeat("x", 300)), "", "theirs1.1", "cluster",
		))
	}
	switch g.IntN(8) {
	case 0:
		path = strings.Replace(path, "/v1", pick(g, "//v1", "/v1/", "/v1/.", "/v1/session/..", "/v1/version/..", "/v1%2f", "/V1", "/v1/renew/%2e%2e", "/v1/../v1", "/v1;x", "http://m1/v1"), 1)
	case 1:
		path += pick(g, "/", "/..", "//", "%2f", ";a=b", ".json", "/../../v1/secrets", "%20", "/%2e%2e/%2e%2e/v1/configs", "#x")
	}
	for range g.IntN(3) {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		path += separator + pick(g, "force=1", "all=1", "node=w2", "service=theirs", "task=theirtask", "app=x", "follow=0", "stream=0", "role=manager", "as=m1", "_method=DELETE", "since=0s", "tail=1", "%zz", "ID=w2")
	}
	return path
}

func (g *guesser) body() []byte {
	switch g.IntN(6) {
	case 0:
		return nil
	case 1:
		return []byte(pick(g, "{}", "null", "[]", "{", strings.Repeat("[", 1000), `{"role": "manager"}`, `{"availability": "drain"}`, `{"key": "x"}`))
	case 2:
		return must(json.Marshal(pick[any](g,
			api.ServiceCreate{Spec: api.ServiceSpec{Name: "evil", Container: api.ContainerSpec{Image: "web:1"}}},
			api.FileSpec{Name: "evil", Data: []byte("x")}, api.ClientRequest{Name: "evil"}, api.TokenRequest{Role: api.RoleManager, Uses: 1},
			api.MemberRequest{Peer: "10.0.0.9:6721", API: "10.0.0.9:6720"}, api.JoinRequest{Secret: api.NewID(), Role: api.RoleManager, Name: "evil"},
			api.Settings{Autolock: true}, api.NetworkSpec{Name: "evil"}, api.VolumeSpec{Name: "evil"}, wire.ExecRequest{Task: "theirtask", Args: []string{"sh"}},
		)))
	case 3:
		random := make([]byte, g.IntN(200))
		for i := range random {
			random[i] = byte(g.Uint32())
		}
		return random
	case 4:
		var frames bytes.Buffer
		frame := must(wire.Marshal(wire.ExecRequest{Task: "theirtask", Args: []string{"sh"}}))
		_ = wire.WriteFrame(&frames, wire.Data, frame) // to memory
		return frames.Bytes()
	}
	return g.session()
}

// session is what a lying node might say: of others' tasks, in others' names.
func (g *guesser) session() []byte {
	var body bytes.Buffer
	write := func(message any) { _ = wire.Write(&body, message) } // to memory
	if g.IntN(2) == 0 {
		write(&wire.Open{Do: &wire.DoRequest{Images: true}})
	}
	write(&wire.Up{Hello: &wire.Hello{Protocol: wire.Protocol, Session: pick(g, strings.Repeat("s", api.IDLength), "s2", ""), Info: api.NodeInfo{Hostname: "w2"}}})
	for range g.IntN(4) {
		write(&wire.Up{
			Applied: pick[int64](g, 0, 1, math.MaxInt64, -1),
			Statuses: []api.TaskStatus{{
				Meta: api.Meta{ID: pick(g, "theirtask", "mytask", "secret1", "w2", "cluster", "")}, Node: pick(g, "w1", "w2", "m1"),
				State: pick(g, api.TaskRunning, api.TaskFailed, api.TaskComplete, api.TaskLost, "king"),
			}},
			Info:    pick(g, nil, &api.NodeInfo{Hostname: "m1"}),
			Leaving: g.IntN(4) == 0,
		})
	}
	return body.Bytes()
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err) // the values above can be encoded
	}
	return value
}
