package cli_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/cli"
)

// fake is a manager's API of which a test says what it answers, and that keeps
// what it was sent.
type fake struct {
	t       *testing.T
	host    string
	mux     *http.ServeMux
	home    string
	request []byte // the last body
}

func newFake(t *testing.T) *fake {
	dir, err := os.MkdirTemp("", "orc") // t.TempDir's paths are too long for sockets
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "orc.sock")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	f := &fake{t: t, host: "unix://" + socket, mux: http.NewServeMux(), home: dir}
	server := &http.Server{Handler: f.mux, Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return f
}

// on answers a route ("GET /v1/services") with a value, or with an error's code.
func (f *fake) on(route string, answer any) { f.steps(route, answer) }

// steps answers a route with one after another, and then with the last.
func (f *fake) steps(route string, answers ...any) {
	f.mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
		answer := answers[0]
		if len(answers) > 1 {
			answers = answers[1:]
		}
		body, err := io.ReadAll(r.Body)
		if err == nil && len(body) > 0 {
			f.request = body
		}
		if told, ok := answer.(*api.Error); ok {
			w.WriteHeader(map[api.Code]int{api.CodeNotFound: 404, api.CodeConflict: 409, api.CodeInvalid: 400, api.CodeUnavailable: 503}[told.Code])
		}
		if lines, ok := answer.([]string); ok {
			io.WriteString(w, strings.Join(lines, "\n"))
			return
		}
		json.NewEncoder(w).Encode(answer)
	})
}

// orc runs a command line against the fake.
func (f *fake) orc(args ...string) (code int, out, errors string) {
	return f.orcWith("", args...)
}

func (f *fake) orcWith(input string, args ...string) (code int, out, errors string) {
	f.t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Run(f.t.Context(), cli.Streams{In: strings.NewReader(input), Out: &stdout, Err: &stderr, Getenv: func(name string) string {
		return map[string]string{"ORC_CONFIG_DIR": f.home}[name]
	}}, append([]string{"--host", f.host}, args...))
	return code, stdout.String(), stderr.String()
}

// ok runs a command line that works, and returns what it printed.
func (f *fake) ok(args ...string) string {
	f.t.Helper()
	code, out, errors := f.orc(args...)
	require.Zero(f.t, code, errors)
	return out
}

// sent decodes what was sent last.
func sent[T any](f *fake) T {
	f.t.Helper()
	var value T
	require.NoError(f.t, json.Unmarshal(f.request, &value))
	return value
}
