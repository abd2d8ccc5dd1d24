package member

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
)

// takeTime is how long raft has to take a message before its sender is answered.
const takeTime = 100 * time.Millisecond

// prompt does not let one message hold up the next. Without a leader raft takes no
// write that another member forwards, until there is one; and who has no stream to this
// member has four requests to it at a time for all that it says, and waits for their
// answers: four writes would keep out the votes that make a leader. What was not taken
// in time is still taken later.
func prompt(handler http.Handler) http.Handler {
	timed := http.TimeoutHandler(handler, takeTime, "raft has not taken the message yet")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != rafthttp.RaftPrefix {
			handler.ServeHTTP(w, r) // streams and snapshots take as long as they take
			return
		}
		body, err := io.ReadAll(r.Body) // which may take longer than takeTime
		if err != nil {
			http.Error(w, fmt.Sprintf("read a message of raft's: %v", err), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		timed.ServeHTTP(w, r)
	})
}
