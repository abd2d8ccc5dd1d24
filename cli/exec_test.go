package cli_test

import (
	"encoding/binary"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// execute answers POST /v1/exec as a node's `cat` would, and ends with a code.
func (f *fake) execute(code int32, request *wire.ExecRequest) {
	f.mux.HandleFunc("POST /v1/exec", func(w http.ResponseWriter, r *http.Request) {
		_, first, err := wire.ReadFrame(r.Body)
		if err != nil || json.Unmarshal(first, request) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.(http.Flusher).Flush()
		for request.Stdin {
			channel, payload, err := wire.ReadFrame(r.Body)
			if err != nil || channel == wire.StdinEnd {
				break
			}
			wire.WriteFrame(w, wire.Stdout, payload)
		}
		wire.WriteFrame(w, wire.Stderr, []byte("bye\n"))
		wire.WriteFrame(w, wire.Exit, binary.BigEndian.AppendUint32(nil, uint32(code)))
	})
}

func TestExecPassesInputOutputAndTheExitCodeOn(t *testing.T) {
	f := newFake(t)
	var request wire.ExecRequest
	f.on("GET /v1/containers/web.1", api.ContainerView{ID: "c1", Task: "t1"})
	f.execute(7, &request)
	code, out, errors := f.orcWith("some\ninput", "exec", "-i", "-e", "A=1", "-u", "root", "-w", "/tmp", "web.1", "cat", "-n", "--", "x")
	require.Equal(t, 7, code)
	require.Equal(t, "some\ninput", out)
	require.Equal(t, "bye\n", errors)
	require.Equal(t, wire.ExecRequest{Task: "t1", Container: "c1", Args: []string{"cat", "-n", "--", "x"}, Env: []string{"A=1"}, Dir: "/tmp", User: "root", Stdin: true}, request)
}

func TestExecWithoutInputAndIntoNothing(t *testing.T) {
	f := newFake(t)
	var request wire.ExecRequest
	f.on("GET /v1/containers/t2", api.NotFoundf("no container t2"))
	task := api.TaskView{}
	task.ID = "t2id"
	f.on("GET /v1/tasks/t2", task)
	f.execute(0, &request)
	f.ok("exec", "t2", "ls")
	require.Equal(t, wire.ExecRequest{Task: "t2id", Args: []string{"ls"}}, request)

	f.on("GET /v1/containers/nope", api.NotFoundf("there is no container or task nope"))
	f.on("GET /v1/tasks/nope", api.NotFoundf("no task nope"))
	code, _, errors := f.orc("exec", "nope", "ls")
	require.Equal(t, 1, code)
	require.Equal(t, "orc: there is no container or task nope\n", errors)
	code, _, errors = f.orc("exec", "-it", "t2", "sh")
	require.Equal(t, 1, code)
	require.Contains(t, errors, "-t needs a terminal")
	code, _, _ = f.orc("exec", "t2")
	require.Equal(t, 2, code)
}
