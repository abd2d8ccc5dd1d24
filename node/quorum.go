package node

import (
	"os"
	"time"

	"go.uber.org/zap"
)

const (
	// quorumMark is how often it is written that this manager has a quorum.
	quorumMark = 10 * time.Second
	// markError is by how much what a crash leaves may be too early: it was written a while
	// ago, and some seconds after that the kernel writes it to the disk.
	markError = quorumMark + 5*time.Second
)

// ended is in the file of a process that came to its end, and knew when it had a quorum.
const ended = "ended"

// noteQuorum says whether this manager has a quorum now, and notes it: by the time since
// then a cluster that was forced to go on without it tells whether it was lost.
func (n *process) noteQuorum() bool {
	if n.database.member.Leader() == 0 {
		return false
	}
	n.mu.Lock()
	n.quorate = time.Now()
	due := n.marked.IsZero() || n.quorate.Sub(n.marked) >= quorumMark
	n.mu.Unlock()
	if due {
		n.markQuorum("")
	}
	return true
}

// markQuorum writes when this manager had a quorum last, for the next start: it is when
// the file "quorum" in the data directory was changed. how says whether that is all.
func (n *process) markQuorum(how string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.quorate.IsZero() {
		return
	}
	n.marked = n.quorate
	path := n.dir.file("quorum")
	err := os.WriteFile(path, []byte(how), 0o600)
	if err == nil {
		err = os.Chtimes(path, n.quorate, n.quorate)
	}
	if err != nil {
		n.log.Warn("when this manager had a quorum last cannot be kept for the next start", zap.Error(err))
	}
}

// apart is for how long this manager has had no quorum, at least; negative when it does
// not know.
func (n *process) apart() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.quorate.IsZero() {
		return time.Since(n.quorate)
	}
	path := n.dir.file("quorum")
	how, err := os.ReadFile(path)
	if err != nil {
		return -1
	}
	file, err := os.Stat(path)
	if err != nil {
		return -1
	}
	since := time.Since(file.ModTime())
	if string(how) != ended {
		since -= markError // it may have had one until then
	}
	return max(0, since)
}
